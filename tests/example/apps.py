from django.apps import AppConfig


class ExampleConfig(AppConfig):
    name = "tests.example"
    label = "example"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from heliostat import register_event_type

        register_event_type("example.vehicle.crashed", description="A vehicle had an accident.")
