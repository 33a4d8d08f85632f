"""What the users of django-mptt do, and what they get."""

from __future__ import annotations

from django.db import transaction
from django.test import TestCase, TransactionTestCase
from mptt.exceptions import InvalidMove
from mptt.utils import get_cached_trees, tree_item_iterator

from probe_mptt.models import Alias, Category, Managed, Ordered, Product, Renamed, Special


def shape(model, name="name"):
    """The whole tree, as mptt keeps it."""
    options = model._mptt_meta
    fields = (options.tree_id_attr, options.left_attr, options.right_attr, options.level_attr)
    rows = model._tree_manager.order_by(*fields[:2]).values_list(name, *fields[1:])
    return [tuple(row) for row in rows]


class TreeTest(TestCase):
    def setUp(self):
        make = Category.objects.create
        self.root = make(name="root")
        self.a = make(name="a", parent=self.root)
        self.b = make(name="b", parent=self.root)
        self.aa = make(name="aa", parent=self.a)

    def fresh(self, *nodes):
        for node in nodes:
            node.refresh_from_db()

    def test_created(self):
        expected = [("root", 1, 8, 0), ("a", 2, 5, 1), ("aa", 3, 4, 2), ("b", 6, 7, 1)]
        self.assertEqual(shape(Category), expected)

    def test_relatives(self):
        self.fresh(self.root, self.a, self.aa, self.b)
        self.assertEqual(list(self.root.get_descendants()), [self.a, self.aa, self.b])
        self.assertEqual(list(self.aa.get_ancestors(include_self=True)), [self.root, self.a, self.aa])
        self.assertEqual(list(self.a.get_siblings()), [self.b])
        self.assertEqual(list(self.root.get_leafnodes()), [self.aa, self.b])
        self.assertEqual(self.root.get_descendant_count(), 3)
        self.assertTrue(self.aa.is_descendant_of(self.root))
        self.assertEqual(self.a.get_next_sibling(), self.b)

    def test_moved_by_parent(self):
        self.fresh(self.a, self.b)
        self.a.parent = self.b
        self.a.save()
        self.assertEqual(shape(Category), [("root", 1, 8, 0), ("b", 2, 7, 1), ("a", 3, 6, 2), ("aa", 4, 5, 3)])

    def test_moved_to(self):
        self.fresh(self.root, self.a, self.b, self.aa)
        self.b.move_to(self.a, "left")
        self.assertEqual([row[0] for row in shape(Category)], ["root", "b", "a", "aa"])
        self.fresh(self.root, self.a, self.b, self.aa)
        self.aa.move_to(None)
        self.assertEqual(len(Category.objects.root_nodes()), 2)
        self.fresh(self.root, self.a, self.b, self.aa)
        self.aa.move_to(self.b, "first-child")
        self.assertEqual([row[0] for row in shape(Category)], ["root", "b", "aa", "a"])

    def test_moved_by_the_manager(self):
        self.fresh(self.root, self.a, self.b, self.aa)
        Category.objects.move_node(self.aa, self.root, position="last-child")
        self.assertEqual([row[0] for row in shape(Category)], ["root", "a", "b", "aa"])

    def test_impossible_move(self):
        self.fresh(self.root, self.a, self.aa)
        with self.assertRaises(InvalidMove):
            self.a.move_to(self.aa)
        self.a.parent = self.aa
        with self.assertRaises(InvalidMove):
            self.a.save()
        self.assertEqual(Category.objects.count(), 4)
        self.assertEqual(shape(Category), [("root", 1, 8, 0), ("a", 2, 5, 1), ("aa", 3, 4, 2), ("b", 6, 7, 1)])

    def test_inserted_at(self):
        self.fresh(self.root, self.b)
        Category(name="new").insert_at(self.b, position="left", save=True)
        self.assertEqual([row[0] for row in shape(Category)], ["root", "a", "aa", "new", "b"])
        Category.objects.insert_node(Category(name="second"), None, save=True)
        self.assertEqual(Category.objects.root_nodes().count(), 2)

    def test_deleted(self):
        self.fresh(self.a)
        self.a.delete()
        self.assertEqual(shape(Category), [("root", 1, 4, 0), ("b", 2, 3, 1)])

    def test_deleted_by_query(self):
        Category.objects.filter(name="b").delete()
        self.assertEqual(Category.objects.count(), 3)

    def test_queryset_relatives(self):
        nodes = Category.objects.filter(name__in=["aa", "b"])
        self.assertCountEqual(Category.objects.get_queryset_ancestors(nodes), [self.root, self.a])
        self.assertEqual(Category.objects.filter(name="a").get_descendants(include_self=True).count(), 2)

    def test_delayed_updates(self):
        with transaction.atomic(), Category.objects.delay_mptt_updates():
            other = Category.objects.create(name="other")
            Category.objects.create(name="deep", parent=other)
        self.assertEqual(shape(Category)[-2:], [("other", 1, 4, 0), ("deep", 2, 3, 1)])

    def test_disabled_updates_and_rebuild(self):
        with Category.objects.disable_mptt_updates():
            Category.objects.create(name="raw", parent=self.b, lft=0, rght=0, tree_id=0, level=0)
        Category.objects.rebuild()
        self.assertEqual(Category.objects.get(name="raw").level, 2)
        Category.objects.partial_rebuild(Category.objects.get(name="root").tree_id)
        self.assertEqual(Category.objects.get(name="root").get_descendant_count(), 4)

    def test_counts(self):
        Product.objects.create(name="p", category=self.aa)
        nodes = Category.objects.add_related_count(Category.objects.all(), Product, "category", "n", cumulative=True)
        self.assertEqual({node.name: node.n for node in nodes}, {"root": 1, "a": 1, "aa": 1, "b": 0})

    def test_cached_trees(self):
        trees = get_cached_trees(Category.objects.all())
        self.assertEqual([child.name for child in trees[0].get_children()], ["a", "b"])
        self.assertEqual(sum(1 for _ in tree_item_iterator(Category.objects.all())), 4)

    def test_bulk(self):
        Category.objects.filter(parent=self.root).update(name="same")
        self.assertEqual(Category.objects.filter(name="same").count(), 2)
        for node in (nodes := list(Category.objects.all())):
            node.name = node.name.upper()
        Category.objects.bulk_update(nodes, ["name"])
        self.assertEqual(Category.objects.filter(name="SAME").count(), 2)

    def test_built_in_one_call(self):
        nodes = Category.objects.build_tree_nodes({"name": "top", "children": [{"name": "c1"}, {"name": "c2"}]})
        Category.objects.bulk_create(nodes)
        self.assertEqual(Category.objects.get(name="top").get_descendant_count(), 2)

    def test_update_fields(self):
        self.fresh(self.b)
        self.b.name = "renamed"
        self.b.save(update_fields=["name"])
        self.assertEqual(shape(Category)[-1], ("renamed", 6, 7, 1))

    def test_get_or_create(self):
        node, created = Category.objects.get_or_create(name="b", parent=self.root)
        self.assertFalse(created)
        node, created = Category.objects.update_or_create(name="b", defaults={"parent": self.a})
        self.assertEqual(node.level, 2)


class OtherTreesTest(TestCase):
    def test_ordered(self):
        root = Ordered.objects.create(name="root")
        for name in "cab":
            Ordered.objects.create(name=name, parent=root)
        self.assertEqual([row[0] for row in shape(Ordered)], ["root", "a", "b", "c"])
        first = Ordered.objects.get(name="a")
        first.name = "z"
        first.save()
        self.assertEqual([row[0] for row in shape(Ordered)], ["root", "b", "c", "z"])

    def test_renamed_fields(self):
        root = Renamed.objects.create(title="root")
        Renamed.objects.create(title="below", above=root)
        self.assertEqual(shape(Renamed, "title"), [("root", 1, 4, 0), ("below", 2, 3, 1)])

    def test_child(self):
        root = Category.objects.create(name="root")
        special = Special.objects.create(name="special", parent=root, extra="x")
        Special.objects.create(name="deeper", parent=special)
        self.assertEqual(shape(Category), [("root", 1, 6, 0), ("special", 2, 5, 1), ("deeper", 3, 4, 2)])
        special.refresh_from_db()
        special.delete()
        self.assertEqual(shape(Category), [("root", 1, 2, 0)])

    def test_proxy(self):
        root = Alias.objects.create(name="root")
        Alias.objects.create(name="a", parent=root)
        self.assertEqual(shape(Category), [("root", 1, 4, 0), ("a", 2, 3, 1)])

    def test_own_manager_and_set_null(self):
        root = Managed.objects.create(name="root")
        Managed.objects.create(name="a", parent=root)
        Managed.objects.named("root").delete()
        Managed.objects.rebuild()
        self.assertEqual(shape(Managed), [("a", 1, 2, 0)])

    def test_relations(self):
        root, product = Category.objects.create(name="root"), Product.objects.create(name="p")
        product.others.add(root)
        product.others.set([root, Category.objects.create(name="b")])
        self.assertEqual(root.other_products.get(), product)
        product.category = root
        product.only = Ordered.objects.create(name="o")
        product.save()
        root.refresh_from_db()
        root.delete()
        product.refresh_from_db()
        self.assertIsNone(product.category)
        self.assertEqual(product.others.count(), 1)


class CommittedTest(TransactionTestCase):
    def test_without_a_transaction(self):
        root = Category.objects.create(name="root")
        child = Category.objects.create(name="a", parent=root)
        child.move_to(None)
        child.save()
        self.assertEqual(shape(Category), [("root", 1, 2, 0), ("a", 1, 2, 0)])
        with self.assertRaises(RuntimeError), transaction.atomic():
            Category.objects.create(name="lost", parent=child)
            raise RuntimeError
        self.assertEqual(shape(Category), [("root", 1, 2, 0), ("a", 1, 2, 0)])
