"""What the users of these packages do, and what they get."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.test import TestCase
from guardian.shortcuts import assign_perm, get_objects_for_user, get_perms, remove_perm
from simple_history.utils import bulk_create_with_history, bulk_update_with_history, update_change_reason

from probe_others.models import Employee, Person, Task, Team, Ticket


class ModelUtilsTest(TestCase):
    def test_tracker(self):
        one = Person.objects.create(name="Ada")
        self.assertEqual(one.tracker.changed(), {})
        one.name = "Grace"
        self.assertEqual(one.tracker.previous("name"), "Ada")
        self.assertTrue(one.tracker.has_changed("name"))
        one.save()
        self.assertFalse(one.tracker.has_changed("name"))
        one.name = "Other"
        one.save(update_fields=["modified"])
        self.assertEqual(one.tracker.previous("name"), "Grace")

    def test_tracker_of_a_child(self):
        one = Employee.objects.create(name="Ada", number=1)
        one.number = 2
        self.assertEqual(one.tracker.changed(), {"number": 1})
        one.save()
        self.assertEqual(one.tracker.changed(), {})
        self.assertEqual(Employee.objects.select_subclasses().get(), one)

    def test_status_and_monitor(self):
        task = Task.objects.create(title="t")
        self.assertIsNone(task.done_at)
        task.status = "done"
        task.save()
        self.assertIsNotNone(task.done_at)
        self.assertEqual(Task.done.get(), task)

    def test_soft_deletion(self):
        ticket = Ticket.objects.create()
        ticket.delete()
        self.assertEqual((Ticket.available_objects.count(), Ticket.all_objects.count()), (0, 1))
        ticket.delete(soft=False)
        self.assertEqual(Ticket.all_objects.count(), 0)


class HistoryTest(TestCase):
    def test_each_change(self):
        one = Person.objects.create(name="Ada")
        one.name = "Grace"
        one.save()
        update_change_reason(one, "asked")
        one.delete()
        kinds = list(Person.history.values_list("history_type", flat=True))
        self.assertEqual(kinds, ["-", "~", "+"])

    def test_without_history(self):
        one = Person(name="Ada")
        one.save_without_historical_record()
        self.assertEqual(Person.history.count(), 0)

    def test_relations(self):
        team, one = Team.objects.create(title="t"), Person.objects.create(name="Ada")
        team.people.add(one)
        self.assertEqual(team.history.first().people.count(), 1)
        team.people.clear()
        self.assertEqual(team.history.first().people.count(), 0)

    def test_bulk(self):
        people = bulk_create_with_history([Person(name=name) for name in "ab"], Person)
        for one in people:
            one.name = one.name.upper()
        bulk_update_with_history(people, Person, ["name"])
        self.assertEqual(Person.history.count(), 4)

    def test_as_of_and_revert(self):
        one = Person.objects.create(name="Ada")
        first = one.history.first()
        one.name = "Grace"
        one.save()
        first.instance.save()
        self.assertEqual(Person.objects.get().name, "Ada")
        self.assertEqual(one.history.first().diff_against(first).changed_fields, [])


class GuardianTest(TestCase):
    def setUp(self):
        self.user, self.group = User.objects.create(username="u"), Group.objects.create(name="g")
        self.user.groups.add(self.group)
        self.person = Person.objects.create(name="Ada")

    def test_permissions(self):
        assign_perm("call_person", self.user, self.person)
        self.assertTrue(self.user.has_perm("call_person", self.person))
        self.assertEqual(list(get_objects_for_user(self.user, "probe_others.call_person")), [self.person])
        remove_perm("call_person", self.user, self.person)
        self.assertEqual(get_perms(User.objects.get(username="u"), self.person), [])

    def test_of_a_group_and_in_bulk(self):
        others = Person.objects.bulk_create([Person(name="b"), Person(name="c")])
        assign_perm("call_person", self.group, Person.objects.filter(pk__in=[one.pk for one in others]))
        self.assertEqual(get_objects_for_user(self.user, "probe_others.call_person").count(), 2)
        remove_perm("call_person", self.group, Person.objects.all())
        self.assertEqual(get_objects_for_user(self.user, "probe_others.call_person").count(), 0)


class PhoneNumberTest(TestCase):
    def test_numbers(self):
        one = Person.objects.create(name="Ada", phone="03 379 9999")
        self.assertEqual(str(one.phone), "03 379 9999" if isinstance(one.phone, str) else one.phone.as_e164)
        one.refresh_from_db()
        self.assertEqual(one.phone.as_e164, "+6433799999")
        Person.objects.update(phone="+6433798888")
        self.assertEqual(Person.objects.get(phone="+6433798888"), one)
