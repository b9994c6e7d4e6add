"""Who owns which account, when; groups of companies; and records that stand in the CRM twice."""

from __future__ import annotations

from datetime import date, timedelta

from revgauge.demo import stories
from revgauge.demo.clock import NOW, START, weekday_from
from revgauge.demo.people import Person, Staff
from revgauge.demo.subscriptions import Customer
from revgauge.demo.world import Row, World

GROUPS = 48
"""Companies that belong to another one in the CRM."""
DOUBLE_ACCOUNTS, DOUBLE_LEADS, DOUBLE_CONTACTS, DOUBLE_DEALS = 22, 60, 16, 7


def divide(world: World, staff: Staff, customers: dict[str, Customer]) -> None:
    """Fill `account_assignments`, and set the owner that each account has now."""
    people = {person.person_id: person for person in staff.people}
    for account in world.tables["accounts"]:
        owners = _owners(world, staff, people, account, customers.get(account["account_id"]))
        for number, (since, person, reason) in enumerate(owners):
            world.add(
                "account_assignments",
                account_id=account["account_id"],
                person_id=person.person_id,
                valid_from=since,
                valid_to=owners[number + 1][0] if number + 1 < len(owners) else None,
                reason=reason,
            )
        account["owner_id"] = owners[-1][1].person_id


def _owners(
    world: World, staff: Staff, people: dict[str, Person], account: Row, customer: Customer | None
) -> list[tuple[date, Person, str]]:
    """The owners of an account, each with the day of taking over and the reason."""
    chance = world.chance("territories")
    owners: list[tuple[date, Person, str]] = [
        (account["created_at"].date(), people[account["owner_id"]], "new account")
    ]
    won_on = customer.won_on if customer else None
    if won_on is not None and won_on >= START and won_on + timedelta(days=7) <= NOW:
        handoff = weekday_from(max(won_on, account["created_at"].date()) + timedelta(days=7))
        owners.append((handoff, staff.account_manager(account["region"], handoff), "handoff"))
    is_recarved = customer is not None and account["region"] == stories.RECARVE_REGION
    if is_recarved and owners[-1][0] < stories.RECARVE_ON and chance.happens(stories.RECARVE_SHARE):
        others = [
            person
            for person in staff.team("Account management", "Account manager", stories.RECARVE_ON)
            if person is not owners[-1][1] and person.currency != "USD"
        ]
        owners.append((stories.RECARVE_ON, chance.pick(others), "new territories"))
    left = owners[-1][1].left_on
    if left is not None and owners[-1][0] < left <= NOW:
        last = owners[-1][1]
        heirs = [person for person in staff.team(last.team, last.role, left) if person.currency == last.currency]
        owners.append((left, chance.pick(heirs or staff.team(last.team, last.role, left)), "owner left"))
    return owners


def group(world: World) -> None:
    """Give some companies a parent among the large ones; no chain, no loop."""
    chance = world.chance("groups")
    accounts = world.tables["accounts"]
    tops = [account for account in accounts if account["segment"] == "Enterprise"][:30]
    others = [account for account in accounts if account not in tops]
    for _ in range(GROUPS):
        chance.pick(others)["parent_account_id"] = chance.pick(tops)["account_id"]


def double(world: World) -> None:
    """Add records that were entered twice and merged later: `duplicate_of` names the one that stayed."""
    chance = world.chance("doubles")
    for entity, key, prefix, count in (
        ("accounts", "account_id", "A", DOUBLE_ACCOUNTS),
        ("contacts", "contact_id", "C", DOUBLE_CONTACTS),
        ("leads", "lead_id", "L", DOUBLE_LEADS),
        ("opportunities", "opportunity_id", "O", DOUBLE_DEALS),
    ):
        table = world.tables[entity]
        originals = [
            row for row in table if START <= row["created_at"].date() < date(2025, 11, 1) and row.get("is_won") is None
        ]
        if entity == "opportunities":
            originals = [row for row in table if row["is_won"] is False and row["created_at"].date() >= START]
        for _ in range(count):
            original = originals.pop(chance.whole(0, len(originals) - 1))
            later = original["created_at"] + timedelta(days=chance.whole(1, 20), minutes=chance.whole(1, 300))
            table.append({**original, key: world.key(prefix), "created_at": later, "duplicate_of": original[key]})
            _blur(entity, table[-1])


def _blur(entity: str, row: Row) -> None:
    """What differs in the record that was entered second."""
    if entity == "accounts":
        row.update(name=f"{row['name']} Inc.", parent_account_id=None, growth_potential=None)
    elif entity == "leads":
        row.update(
            {name: None for name in row if name.startswith("has_") or (name.endswith("_at") and name != "created_at")},
            account_id=None,
            contact_id=None,
            opportunity_id=None,
            disqualified_reason=None,
        )
    elif entity == "opportunities":
        row.update(
            lead_id=None, loss_reason="duplicate", closed_at=row["created_at"] + timedelta(hours=3), pitched_at=None
        )
