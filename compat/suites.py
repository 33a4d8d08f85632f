"""The suites: which package's tests run, with what beside it, and by which command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

# The environment has the same Django as the one that this command runs in.
DJANGO = f"Django=={version('django')}"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One run of tests.

    `sdist` is the source distribution that is unpacked and holds the tests; empty for our own probes. `requires` are
    the packages installed beside Django and what Heliostat needs. `command` follows `python launch.py …`, in the
    folder `folder` of the unpacked sources (of `compat/probes` for a probe).
    """

    name: str
    about: str
    command: tuple[str, ...]
    sdist: str = ""
    requires: tuple[str, ...] = ()
    folder: str = "."
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    own_hashers: bool = False
    """Whether passwords are hashed as the suite's settings say, in place of the quick way."""
    needs_postgresql: bool = False
    here: bool = False
    """Whether the interpreter of this command is used, which then has the packages (the development dependencies)."""


# Labels of Django's own suite. Left out is what saves no objects: forms, templates, HTTP, i18n, management.
DJANGO_LABELS: dict[str, str] = {
    "models": """
        basic bulk_create composite_pk custom_columns custom_managers custom_methods custom_pk defer defer_regress
        delete delete_regress empty empty_models field_defaults field_subclassing fixtures_model_package
        force_insert_update foreign_object from_db_value get_earliest_or_latest get_object_or_404 get_or_create
        managers_regress max_lengths model_enums model_fields model_forms model_formsets model_formsets_regress
        model_indexes model_meta model_options model_package model_regress model_utils mutually_referential no_models
        nested_foreign_keys null_fk one_to_one order_with_respect_to properties reserved_names save_delete_hooks
        select_for_update str swappable_models unmanaged_models update update_only_fields validation
        absolute_url_overrides constraints datatypes dates datetimes deprecation extra_regress
    """,
    "inheritance": "model_inheritance model_inheritance_regress proxy_models proxy_model_inheritance",
    "queries": """
        queries lookup aggregation aggregation_regress annotations db_functions expressions expressions_case
        expressions_window custom_lookups distinct_on_fields filtered_relation known_related_objects null_fk_ordering
        null_queries or_lookups ordering prefetch_related queryset_pickle raw_query reverse_lookup select_related
        select_related_onetoone select_related_regress string_lookup xor_lookups async pagination db_typecasts
    """,
    "transactions": """
        transactions transaction_hooks signals backends db_utils multiple_database test_utils test_exceptions
        migrate_signals dispatch servers
    """,
    "relations": """
        m2m_and_m2o m2m_intermediary m2m_multiple m2m_recursive m2m_regress m2m_signals m2m_through
        m2m_through_regress m2o_recursive many_to_many many_to_one many_to_one_null generic_relations
        generic_relations_regress contenttypes_tests
    """,
    "serializers": "serializers fixtures fixtures_regress timezones",
    "admin": """
        admin_autodiscover admin_changelist admin_checks admin_custom_urls admin_default_site admin_docs admin_filters
        admin_inlines admin_ordering admin_registration admin_utils admin_views admin_widgets generic_inline_admin
        modeladmin inline_formsets
    """,
    "contrib": """
        auth_tests sessions_tests messages_tests sites_tests sites_framework flatpages_tests redirects_tests
        sitemaps_tests syndication_tests test_client test_client_regress generic_views view_tests cache
        file_storage file_uploads files middleware csrf_tests
    """,
    "schema": """
        migrations migrations2 migration_test_data_persistence custom_migration_operations schema introspection indexes
        inspectdb apps app_loading check_framework invalid_models_tests field_deconstruction test_runner user_commands
    """,
}


DJANGO_REQUIRES = ("jinja2", "pyyaml", "pillow", "docutils", "tblib")


def django_suite(name: str, labels: str, *options: str, needs_postgresql: bool = False) -> Suite:
    """Some labels of Django's own suite."""
    return Suite(
        name=f"django-{name}",
        about=f"Django's own tests: {len(labels.split())} labels ({name})",
        sdist=DJANGO,
        requires=(*DJANGO_REQUIRES, *(["psycopg[binary]"] if needs_postgresql else [])),
        folder="tests",
        command=("runtests.py", "--parallel=1", "--noinput", "-v1", *options, *labels.split()),
        needs_postgresql=needs_postgresql,
        own_hashers=True,
    )


# What behaves otherwise on PostgreSQL: an error aborts the transaction, rows are locked, expressions are typed.
POSTGRESQL_LABELS = """
    basic bulk_create composite_pk custom_pk delete expressions force_insert_update get_or_create m2m_signals
    m2m_through many_to_many model_fields model_inheritance multiple_database postgres_tests save_delete_hooks
    select_for_update signals transaction_hooks transactions update update_only_fields
"""

# One environment for all small packages: it is made once, in seconds.
PACKAGES = (
    "django-guardian",
    "django-model-utils",
    "django-money",
    "django-mptt",
    "django-phonenumber-field[phonenumberslite]",
    "django-polymorphic",
    "django-simple-history",
    "django-taggit",
    # What their tests need.
    "babel",
    "django-environ",
    "djangorestframework",
    "pytest>=8.3",
    "pytest-django>=4.9",
    "time-machine",
)
PROBES = ("taggit", "mptt", "polymorphic", "money", "others")


def probe(name: str, about: str) -> Suite:
    """A probe of our own, for a package whose source distribution holds no tests that can run."""
    return Suite(
        name=name,
        about=about,
        requires=PACKAGES,
        command=("-m", "django", "test", "--noinput", f"probe_{name}"),
        env={"DJANGO_SETTINGS_MODULE": "probe_settings", "PROBES": f"probe_{name}"},
    )


NO_TESTS = "its source distribution holds no tests: a probe of each public manager and model type"
QUIETLY = ("-p", "no:cacheprovider", "-q")

WAGTAIL_TESTS = """
    actions test_audit_log test_collection_model test_comments test_draft_model test_locale_model test_lockable_model
    test_management_commands test_page_model test_page_permissions test_page_queryset test_reference_index
    test_revision_model test_signals test_sites test_translatablemixin test_workflow test_workflow_model
"""

SUITES: tuple[Suite, ...] = (
    *(django_suite(name, labels) for name, labels in DJANGO_LABELS.items()),
    django_suite("postgresql", POSTGRESQL_LABELS, "--settings=compat_postgresql", needs_postgresql=True),
    probe("taggit", about=f"django-taggit; {NO_TESTS}"),
    probe("mptt", about=f"django-mptt; {NO_TESTS}"),
    probe("polymorphic", about=f"django-polymorphic; {NO_TESTS}"),
    probe("money", about="django-money; its source distribution holds no models for its tests: a probe"),
    Suite(
        name="model-utils",
        about="django-model-utils, its own tests",
        sdist="django-model-utils",
        requires=PACKAGES,
        command=("-m", "pytest", *QUIETLY, "--ds", "tests.settings", "-o", "addopts=", "tests"),
        env={"SQLITE": "1"},
    ),
    Suite(
        name="simple-history",
        about="django-simple-history, its own tests",
        sdist="django-simple-history",
        requires=PACKAGES,
        command=("runtests.py",),
    ),
    Suite(
        name="phonenumber-field",
        about="django-phonenumber-field, its own tests",
        sdist="django-phonenumber-field",
        requires=PACKAGES,
        command=("-m", "django", "test", "--noinput", "--settings=tests.settings"),
    ),
    Suite(
        name="guardian",
        about="django-guardian, its own tests",
        sdist="django-guardian",
        requires=PACKAGES,
        command=(
            *("-m", "pytest", *QUIETLY, "--ds", "guardian.testapp.testsettings", "-o", "addopts="),
            *("guardian", "-k", "not PerformanceTestCase"),  # these measure time
        ),
    ),
    Suite(
        name="wagtail",
        about="Wagtail, a part of its own tests: pages, revisions, workflows, references, translations",
        sdist="wagtail",
        requires=(
            "wagtail",
            "Jinja2",
            "boto3",
            "freezegun",
            "django-pattern-library",
            "responses",
            "factory-boy",
            "polib",
        ),
        command=(
            *("-m", "django", "test", "--noinput", "--settings=wagtail.test.settings"),
            *(f"wagtail.tests.{name}" for name in WAGTAIL_TESTS.split()),
            *("wagtail.documents.tests.test_models", "wagtail.contrib.redirects", "wagtail.locales"),
        ),
    ),
)

QUICK = Suite(
    name="quick",
    about="all probes together, with the packages of the development environment",
    command=("-m", "django", "test", "--noinput"),
    env={"DJANGO_SETTINGS_MODULE": "probe_settings", "PROBES": " ".join(f"probe_{name}" for name in PROBES)},
    here=True,
)
