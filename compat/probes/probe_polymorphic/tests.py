"""What the users of django-polymorphic do, and what they get."""

from __future__ import annotations

from django.core.serializers import deserialize, serialize
from django.db import models, transaction
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.test import TestCase, TransactionTestCase

from probe_polymorphic.models import (
    Animal,
    ArtProject,
    Cat,
    DeepProject,
    Dog,
    Note,
    Partner,
    Project,
    ProxyProject,
    ResearchProject,
)


def kinds(queryset):
    return sorted(type(one).__name__ for one in queryset)


class ProjectsTest(TestCase):
    def setUp(self):
        self.plain = Project.objects.create(topic="plain")
        self.art = ArtProject.objects.create(topic="art", artist="T. Turner")
        self.research = ResearchProject.objects.create(topic="stars", supervisor="H. Leavitt")
        self.deep = DeepProject.objects.create(topic="deep", supervisor="H. Leavitt", depth=3)

    def test_kinds(self):
        self.assertEqual(kinds(Project.objects.all()), ["ArtProject", "DeepProject", "Project", "ResearchProject"])
        self.assertEqual(kinds(Project.objects.non_polymorphic()), ["Project"] * 4)
        self.assertEqual(kinds(Project.objects.instance_of(ResearchProject)), ["DeepProject", "ResearchProject"])
        self.assertEqual(kinds(Project.objects.not_instance_of(ResearchProject)), ["ArtProject", "Project"])
        rows = Project.objects.non_polymorphic().all()
        self.assertEqual(len(Project.objects.get_real_instances(list(rows))), 4)
        self.assertEqual(Project.objects.non_polymorphic().get(pk=self.deep.pk).get_real_instance(), self.deep)

    def test_fields_of_children(self):
        self.assertEqual(Project.objects.filter(ArtProject___artist="T. Turner").get(), self.art)
        self.assertEqual(Project.objects.filter(models.Q(DeepProject___depth=3)).get(), self.deep)
        self.assertEqual(Project.objects.order_by("-DeepProject___depth").count(), 4)

    def test_saved_through_the_parent(self):
        one = Project.objects.get(pk=self.deep.pk)
        one.depth, one.topic = 9, "deeper"
        one.save()
        self.deep.refresh_from_db()
        self.assertEqual((self.deep.depth, self.deep.topic), (9, "deeper"))

    def test_saved_as_the_parent_alone(self):
        one = Project.objects.non_polymorphic().get(pk=self.deep.pk)
        one.topic = "as parent"
        one.save()
        self.deep.refresh_from_db()
        self.assertEqual((self.deep.topic, type(Project.objects.get(pk=self.deep.pk))), ("as parent", DeepProject))

    def test_update_fields(self):
        self.deep.depth, self.deep.topic = 7, "not written"
        self.deep.save(update_fields=["depth"])
        self.deep.refresh_from_db()
        self.assertEqual((self.deep.depth, self.deep.topic), (7, "deep"))

    def test_deleted_one_by_one(self):
        for one in Project.objects.all():
            Note.objects.create(project=one, text="n")
            one.delete()
        counts = [model.objects.count() for model in (Project, ArtProject, ResearchProject, DeepProject, Note)]
        self.assertEqual(counts, [0, 0, 0, 0, 0])

    def test_deleted_by_query(self):
        Note.objects.create(project=self.deep, text="n")
        Project.objects.filter(topic__in=["deep", "art"]).non_polymorphic().delete()
        self.assertEqual(kinds(Project.objects.all()), ["Project", "ResearchProject"])
        self.assertEqual(Note.objects.count(), 0)

    def test_deleted_by_polymorphic_query(self):
        ResearchProject.objects.all().delete()
        self.assertEqual(kinds(Project.objects.all()), ["ArtProject", "Project"])

    def test_updated_by_query(self):
        self.assertEqual(Project.objects.update(topic="same"), 4)
        self.assertEqual(ResearchProject.objects.update(topic="both", supervisor="J. Bell"), 2)
        self.deep.refresh_from_db()
        self.assertEqual((self.deep.topic, self.deep.supervisor), ("both", "J. Bell"))

    def test_bulk_create(self):
        Project.objects.bulk_create([Project(topic="b1"), Project(topic="b2")])
        self.assertEqual(Project.objects.filter(topic__startswith="b").count(), 2)
        with self.assertRaises(ValueError):
            ArtProject.objects.bulk_create([ArtProject(topic="x", artist="y")])

    def test_bulk_update(self):
        projects = list(Project.objects.non_polymorphic())
        for project in projects:
            project.topic = f"{project.topic}!"
        Project.objects.bulk_update(projects, ["topic"])
        self.assertEqual(Project.objects.filter(topic__endswith="!").count(), 4)

    def test_relations(self):
        partner, other = Partner.objects.create(name="p", lead=self.deep), Partner.objects.create(name="q")
        self.deep.partners.add(partner, other)
        self.art.partners.set([partner])
        self.assertEqual(kinds(partner.projects.all()), ["ArtProject", "DeepProject"])
        partner.projects.clear()
        self.assertEqual(list(self.deep.partners.all()), [other])
        self.deep.delete()
        partner.refresh_from_db()
        self.assertIsNone(partner.lead)

    def test_proxy(self):
        one = ProxyProject.objects.create(topic="proxy", artist="a")
        self.assertEqual(type(Project.objects.get(pk=one.pk)), ProxyProject)
        one.delete()
        self.assertFalse(Project.objects.filter(topic="proxy").exists())

    def test_upgraded(self):
        art = ArtProject.objects.create_from_super(self.plain, artist="new")
        self.assertEqual(type(Project.objects.get(pk=self.plain.pk)), ArtProject)
        self.assertEqual(art.artist, "new")

    def test_get_or_create(self):
        one, created = ArtProject.objects.get_or_create(topic="art", defaults={"artist": "x"})
        self.assertEqual((one, created), (self.art, False))
        one, created = ArtProject.objects.update_or_create(topic="art", defaults={"artist": "y"})
        self.assertEqual((one.artist, created), ("y", False))

    def test_signals(self):
        sent = []

        def note(name):
            def receiver(sender, **_):
                sent.append((name, sender.__name__))

            return receiver

        receivers = {signal: note(name) for name, signal in SIGNALS.items()}
        for signal, receiver in receivers.items():
            signal.connect(receiver)
        try:
            deep = DeepProject.objects.create(topic="d", supervisor="s")
            deep.delete()
        finally:
            for signal, receiver in receivers.items():
                signal.disconnect(receiver)
        ours = [(name, sender) for name, sender in sent if sender.endswith("Project")]
        self.assertEqual(ours[:2], [("pre_save", "DeepProject"), ("post_save", "DeepProject")])
        self.assertEqual(len(ours), 8)

    def test_fixture(self):
        text = serialize("json", [*Project.objects.non_polymorphic(), *ArtProject.objects.non_polymorphic()])
        ArtProject.objects.all().delete()
        for row in deserialize("json", text):
            row.save()
        self.assertEqual(ArtProject.objects.get().artist, "T. Turner")


SIGNALS = {"pre_save": pre_save, "post_save": post_save, "pre_delete": pre_delete, "post_delete": post_delete}


class AnimalsTest(TestCase):
    def test_uuid_key_and_own_manager(self):
        dog, cat = Dog.objects.create(name="Rex"), Cat.objects.create(name="Tom", note="n")
        self.assertEqual(Animal.objects.named("Rex").get(), dog)
        self.assertEqual(kinds(Animal.objects.all()), ["Cat", "Dog"])
        cat.lives -= 1
        cat.save()
        self.assertEqual(Animal.objects.get(pk=cat.pk).lives, 8)
        Animal.objects.all().non_polymorphic().delete()
        self.assertEqual(Cat.objects.count(), 0)

    def test_expressions(self):
        cat = Cat.objects.create(name="Tom")
        cat.lives = models.F("lives") - 2
        cat.save()
        cat.refresh_from_db()
        self.assertEqual(cat.lives, 7)


class CommittedTest(TransactionTestCase):
    def test_without_a_transaction(self):
        one = DeepProject.objects.create(topic="t", supervisor="s", depth=1)
        with self.assertRaises(RuntimeError), transaction.atomic():
            one.delete()
            raise RuntimeError
        self.assertEqual(kinds(Project.objects.all()), ["DeepProject"])
        Project.objects.get().delete()
        self.assertEqual(kinds(Project.objects.all()), [])
