"""What the users of django-money do, and what they get."""

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.serializers import deserialize, serialize
from django.db import IntegrityError, transaction
from django.db.models import F, Sum
from django.forms import modelform_factory
from django.test import TestCase
from djmoney.money import Money

from probe_money.models import Account, Default, Discounted, Item, Limited, Managed, Optional


class MoneyTest(TestCase):
    def price(self, one):
        return type(one).objects.get(pk=one.pk).price

    def test_created(self):
        self.assertEqual(self.price(Item.objects.create(price=Money(10, "EUR"))), Money(10, "EUR"))
        self.assertEqual(self.price(Item.objects.create(price=10)), Money(10, "USD"))
        self.assertEqual(self.price(Item.objects.create(price=Decimal("1.50"))), Money("1.50", "USD"))
        self.assertEqual(self.price(Item.objects.create(price="2.25", price_currency="SEK")), Money("2.25", "SEK"))

    def test_changed(self):
        one = Item.objects.create(price=Money(10, "EUR"))
        one.price = Money(20, "SEK")
        one.save()
        self.assertEqual(self.price(one), Money(20, "SEK"))
        one.price_currency = "CHF"
        one.save()
        self.assertEqual(self.price(one), Money(20, "CHF"))

    def test_update_fields(self):
        one = Item.objects.create(name="n", price=Money(10, "EUR"))
        one.name, one.price = "not written", Money(7, "SEK")
        one.save(update_fields=["price"])
        self.assertEqual((self.price(one), Item.objects.get().name), (Money(7, "EUR"), "n"))  # the amount alone

    def test_rounded(self):
        one = Item.objects.create(price=Money("1.239", "EUR"))
        self.assertEqual(self.price(one), Money("1.24", "EUR"))
        self.assertEqual(one.price, Money("1.239", "EUR"))

    def test_expression(self):
        one = Item.objects.create(price=Money(10, "EUR"))
        one.price = F("price") + Money(5, "EUR")
        one.save()
        self.assertEqual(self.price(one), Money(15, "EUR"))
        one = Item.objects.get()
        one.price = F("price") * 2
        one.save()
        self.assertEqual(self.price(one), Money(30, "EUR"))

    def test_updated_by_query(self):
        one = Item.objects.create(price=Money(10, "EUR"))
        Item.objects.filter(price=Money(10, "EUR")).update(price=Money(11, "SEK"))
        self.assertEqual(self.price(one), Money(11, "SEK"))
        Item.objects.update(price=F("price") + Money(1, "SEK"))
        self.assertEqual(self.price(one), Money(12, "SEK"))

    def test_bulk(self):
        Item.objects.bulk_create([Item(price=Money(n, "EUR")) for n in range(3)])
        items = list(Item.objects.order_by("price"))
        for item in items:
            item.price += Money(1, "EUR")
        Item.objects.bulk_update(items, ["price"])
        self.assertEqual(Item.objects.aggregate(all=Sum("price"))["all"], 6)

    def test_null(self):
        one = Optional.objects.create()
        self.assertIsNone(self.price(one))
        one.price = Money(3, "EUR")
        one.save()
        one.price = None
        one.save()
        self.assertIsNone(self.price(one))

    def test_currency_is_needed(self):
        with self.assertRaises((IntegrityError, ValueError, TypeError)), transaction.atomic():
            Item.objects.create(price=Money(1, "EUR"), price_currency=None, name=None)
        self.assertEqual(Item.objects.count(), 0)

    def test_defaults(self):
        one = Default.objects.create()
        self.assertEqual((one.price, one.other), (Money(5, "EUR"), Money(0, "CHF")))

    def test_validated(self):
        with self.assertRaises(ValidationError):
            Limited(price=Money(1, "EUR")).full_clean()

    def test_found(self):
        one = Managed.objects.create(price=Money(10, "EUR"))
        self.assertEqual(Managed.objects.cheaper(Money(20, "EUR")).get(), one)
        self.assertFalse(Managed.objects.filter(price__gt=Money(1, "SEK")).exists())
        found, created = Managed.objects.get_or_create(price=Money(10, "EUR"))
        self.assertEqual((found, created), (one, False))
        found, created = Managed.objects.update_or_create(pk=one.pk, defaults={"price": Money(1, "EUR")})
        self.assertEqual(self.price(found), Money(1, "EUR"))

    def test_deferred(self):
        Item.objects.create(price=Money(10, "EUR"))
        one = Item.objects.defer("price", "price_currency").get()
        one.name = "n"
        one.save()
        self.assertEqual(self.price(one), Money(10, "EUR"))

    def test_child(self):
        one = Discounted.objects.create(price=Money(10, "EUR"), discount=Money(2, "EUR"))
        Item.objects.filter(pk=one.pk).update(price=Money(9, "EUR"))
        self.assertEqual((self.price(one), Discounted.objects.get().discount), (Money(9, "EUR"), Money(2, "EUR")))
        one.delete()
        self.assertEqual(Item.objects.count(), 0)

    def test_currency_field(self):
        one = Account.objects.create(currency="SEK", balance=Decimal("1.005"))
        one.refresh_from_db()
        self.assertEqual(one.currency, "SEK")

    def test_form_and_fixture(self):
        form = modelform_factory(Item, fields=["name", "price"])({"name": "n", "price_0": "10", "price_1": "SEK"})
        one = form.save()
        text = serialize("json", [one])
        one.delete()
        for row in deserialize("json", text):
            row.save()
        self.assertEqual(Item.objects.get().price, Money(10, "SEK"))

    def test_object_keeps_its_money(self):
        one = Item(price=Money("10.5", "EUR"))
        one.save()
        self.assertIsInstance(one.price, Money)
        self.assertEqual(one.price, Money("10.5", "EUR"))
