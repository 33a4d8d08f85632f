"""What the users of django-taggit do, and what they get."""

from __future__ import annotations

from django.core.exceptions import ObjectDoesNotExist
from django.core.serializers import deserialize, serialize
from django.db import IntegrityError, transaction
from django.forms import modelform_factory
from django.test import TestCase, TransactionTestCase, override_settings
from taggit.models import Tag, TaggedItem

from probe_taggit.models import Article, Book, Country, Draft, Film, Food, Genre, Parcel, Photo, Report


def names(manager):
    return sorted(manager.names())


class EachModelTest(TestCase):
    """The same steps with each model that can have tags."""

    def steps(self, thing, manager):
        manager.add("red", "green")
        self.assertEqual(names(manager), ["green", "red"])
        manager.add("red", "blue")
        self.assertEqual(names(manager), ["blue", "green", "red"])
        manager.remove("red", "never there")
        self.assertEqual(names(manager), ["blue", "green"])
        manager.set(["green", "white"])
        self.assertEqual(names(manager), ["green", "white"])
        manager.set(["black"], clear=True)
        self.assertEqual(names(manager), ["black"])
        self.assertEqual(list(manager.slugs()), ["black"])
        manager.clear()
        self.assertEqual(names(manager), [])
        manager.add("kept")
        self.assertEqual([tag.name for tag in manager.all()], ["kept"])
        thing.delete()

    def test_generic(self):
        thing = Article.objects.create(title="a")
        self.steps(thing, thing.tags)

    def test_second_model_of_one_through_model(self):
        thing = Photo.objects.create(title="p")
        self.steps(thing, thing.tags)

    def test_child(self):
        thing = Report.objects.create(title="r", pages=3)
        self.steps(thing, thing.tags)

    def test_proxy(self):
        thing = Draft.objects.create(title="d")
        self.steps(thing, thing.tags)

    def test_foreign_key(self):
        thing = Food.objects.create(name="apple")
        self.steps(thing, thing.tags)

    def test_own_tag(self):
        thing = Film.objects.create(name="f")
        self.steps(thing, thing.genres)

    def test_two_managers(self):
        thing = Film.objects.create(name="f")
        thing.genres.add("noir")
        thing.moods.add("dark")
        self.assertEqual((names(thing.genres), names(thing.moods)), (["noir"], ["dark"]))
        thing.moods.clear()
        self.assertEqual(names(thing.genres), ["noir"])
        self.steps(thing, thing.moods)

    def test_shared_generic(self):
        thing = Book.objects.create(name="b")
        self.steps(thing, thing.moods)

    def test_uuid(self):
        thing = Parcel.objects.create()
        self.steps(thing, thing.tags)

    def test_text_key(self):
        thing = Country.objects.create(code="NZ")
        self.steps(thing, thing.tags)


class QueryTest(TestCase):
    def setUp(self):
        self.one = Article.objects.create(title="one")
        self.two = Article.objects.create(title="two")
        self.photo = Photo.objects.create(title="photo")
        self.one.tags.add("red", "green")
        self.two.tags.add("red")
        self.photo.tags.add("red")

    def test_filter(self):
        self.assertCountEqual(Article.objects.filter(tags__name__in=["red"]), [self.one, self.two])
        self.assertCountEqual(Article.objects.filter(tags__name="green"), [self.one])
        self.assertCountEqual(Article.objects.exclude(tags__name="green"), [self.two])

    def test_most_common(self):
        self.assertEqual(Article.tags.most_common()[0].name, "red")
        self.assertEqual(Article.tags.most_common()[0].num_times, 2)

    def test_similar_objects(self):
        self.assertCountEqual(self.one.tags.similar_objects(), [self.two, self.photo])

    def test_prefetch(self):
        with self.assertNumQueries(2):
            found = {a.title: sorted(t.name for t in a.tags.all()) for a in Article.objects.prefetch_related("tags")}
        self.assertEqual(found, {"one": ["green", "red"], "two": ["red"]})

    def test_tags_of_a_model(self):
        self.assertCountEqual(
            Tag.objects.filter(taggit_taggeditem_items__content_type__model="photo").distinct(),
            Tag.objects.filter(name="red"),
        )

    def test_tag_deleted(self):
        Tag.objects.get(name="red").delete()
        self.assertEqual(names(self.one.tags), ["green"])
        self.assertEqual(names(self.two.tags), [])

    def test_tags_deleted_by_query(self):
        self.assertEqual(Tag.objects.filter(name="red").delete()[1]["taggit.TaggedItem"], 3)

    def test_object_deleted(self):
        self.one.delete()
        self.assertEqual(TaggedItem.objects.count(), 2)

    def test_objects_deleted_by_query(self):
        Article.objects.all().delete()
        self.assertEqual(TaggedItem.objects.count(), 1)

    def test_bulk(self):
        Article.objects.bulk_create([Article(title=str(n)) for n in range(3)])
        third = Article.objects.get(title="2")
        third.tags.add("late")
        Article.objects.filter(tags__name="late").update(title="changed")
        third.refresh_from_db()
        self.assertEqual(third.title, "changed")

    def test_tag_renamed(self):
        tag = Tag.objects.get(name="green")
        tag.name = "verdant"
        tag.save()
        self.assertEqual(names(self.one.tags), ["red", "verdant"])

    def test_slugs_stay_unique(self):
        first, second = Tag.objects.create(name="C++"), Tag.objects.create(name="C!")
        self.assertNotEqual(first.slug, second.slug)

    def test_a_name_twice_is_refused(self):
        with self.assertRaises(IntegrityError), transaction.atomic():
            Tag.objects.create(name="red", slug="red")
        self.assertEqual(Tag.objects.filter(name="red").count(), 1)

    def test_tag_kwargs(self):
        film = Film.objects.create(name="f")
        film.genres.add("noir", tag_kwargs={"note": "French"})
        self.assertEqual(Genre.objects.get(name="noir").note, "French")

    def test_through_defaults(self):
        self.one.tags.add("late", through_defaults={})
        self.assertIn("late", names(self.one.tags))

    @override_settings(TAGGIT_CASE_INSENSITIVE=True)
    def test_case_insensitive(self):
        self.two.tags.add("RED", "Green")
        self.assertEqual(names(self.two.tags), ["green", "red"])

    def test_unsaved_object_is_refused(self):
        with self.assertRaises(ValueError):
            Article().tags.add("red")
        with self.assertRaises(ObjectDoesNotExist):
            Tag.objects.get(name="never")


class FormsAndFixturesTest(TestCase):
    def test_form(self):
        form = modelform_factory(Article, fields=["title", "tags"])({"title": "t", "tags": "a, b, 'c d'"})
        self.assertTrue(form.is_valid())
        article = form.save()
        self.assertIn("a", names(article.tags))
        unsaved = modelform_factory(Article, fields=["title", "tags"])({"title": "t", "tags": "z"}, instance=article)
        saved_later = unsaved.save(commit=False)
        saved_later.save()
        unsaved.save_m2m()
        self.assertEqual(names(article.tags), ["z"])

    def test_fixture(self):
        article = Article.objects.create(title="t")
        article.tags.add("a")
        rows = [article, *Tag.objects.all(), *TaggedItem.objects.all()]
        text = serialize("json", rows)
        Article.objects.all().delete()
        Tag.objects.all().delete()
        for row in deserialize("json", text):
            row.save()
        self.assertEqual(names(Article.objects.get().tags), ["a"])


class CommittedTest(TransactionTestCase):
    def test_without_a_transaction(self):
        article = Article.objects.create(title="t")
        article.tags.add("a", "b")
        article.tags.set(["b", "c"])
        self.assertEqual(names(article.tags), ["b", "c"])
        article.delete()
        self.assertFalse(TaggedItem.objects.exists())

    def test_rolled_back(self):
        article = Article.objects.create(title="t")
        with self.assertRaises(RuntimeError), transaction.atomic():
            article.tags.add("a")
            raise RuntimeError
        self.assertEqual(names(article.tags), [])
