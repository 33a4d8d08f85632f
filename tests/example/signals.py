from django.dispatch import Signal

broken_down = Signal()
