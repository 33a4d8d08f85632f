"""Each kind of field that django-money offers."""

from __future__ import annotations

from django.db import models
from djmoney.models.fields import CurrencyField, MoneyField
from djmoney.models.managers import money_manager, understands_money
from djmoney.models.validators import MinMoneyValidator


class Item(models.Model):
    name = models.CharField(max_length=50, default="")
    price = MoneyField(max_digits=10, decimal_places=2, default_currency="USD")


class Optional(models.Model):
    price = MoneyField(max_digits=10, decimal_places=2, null=True, default=None, default_currency=None)


class Default(models.Model):
    price = MoneyField(max_digits=10, decimal_places=2, default=5, default_currency="EUR")
    other = MoneyField(
        max_digits=14, decimal_places=4, default=0, default_currency="CHF", currency_choices=[("CHF", "Franc")]
    )


class Limited(models.Model):
    price = MoneyField(max_digits=10, decimal_places=2, default_currency="EUR", validators=[MinMoneyValidator(10)])


class OwnQuerySet(models.QuerySet):
    @understands_money
    def cheaper(self, money):
        return self.filter(price__lt=money)


class Managed(models.Model):
    price = MoneyField(max_digits=10, decimal_places=2, default_currency="EUR")
    objects = money_manager(models.Manager.from_queryset(OwnQuerySet)())


class Account(models.Model):
    currency = CurrencyField(default="EUR")
    balance = models.DecimalField(max_digits=10, decimal_places=2, default=0)


class Discounted(Item):
    discount = MoneyField(max_digits=10, decimal_places=2, default=1, default_currency="USD")


class Shared(models.Model):
    """Two amounts that share one currency field."""

    first = MoneyField(max_digits=10, decimal_places=2, currency_field_name="unit")
    unit = CurrencyField(default="EUR")
