"""Who works at the company: departments, teams, roles, tiers and managers, and who takes what on a given day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from revgauge.demo.world import World

FIRST_NAMES = [
    "Amelia",
    "Bruno",
    "Carla",
    "Dmitri",
    "Elena",
    "Farid",
    "Greta",
    "Hamid",
    "Ines",
    "Jonas",
    "Keiko",
    "Liam",
    "Mara",
    "Nadia",
    "Oscar",
    "Priya",
    "Quentin",
    "Rosa",
    "Samir",
    "Tessa",
    "Umar",
    "Vera",
    "Wanda",
    "Xavier",
    "Yara",
    "Zoltan",
    "Anita",
    "Boris",
    "Chloe",
    "Dario",
    "Edda",
    "Felix",
    "Gloria",
    "Hugo",
    "Irma",
    "Jasper",
    "Kira",
    "Leon",
    "Milena",
    "Nils",
    "Odile",
    "Pavel",
    "Ruth",
    "Stefan",
    "Thea",
    "Ulrich",
    "Viola",
    "Walter",
    "Yusuf",
    "Zora",
]
LAST_NAMES = [
    "Abbott",
    "Barros",
    "Castell",
    "Dvorak",
    "Eriksen",
    "Farrow",
    "Gallardo",
    "Hollis",
    "Ivanov",
    "Jansen",
    "Kowal",
    "Lindqvist",
    "Marchetti",
    "Nakamura",
    "Okafor",
    "Pereira",
    "Quist",
    "Rourke",
    "Sandoval",
    "Tanaka",
    "Ueda",
    "Varga",
    "Whitlock",
    "Yilmaz",
    "Zeller",
    "Ashdown",
    "Birch",
    "Calloway",
    "Delacroix",
    "Engel",
    "Fontaine",
    "Grady",
    "Haddad",
    "Ingram",
    "Jarvis",
    "Keller",
    "Lorne",
    "Mercer",
    "Novak",
    "Ostrom",
    "Pryce",
    "Radley",
    "Sorensen",
    "Thorne",
    "Upton",
    "Vasquez",
    "Wexler",
    "Young",
    "Zimmer",
    "Amsel",
]

NORTH_AMERICA, UK, EUROPE = "North America", "UK & Ireland", "Europe"
SALES_AREA = {NORTH_AMERICA: "North America", UK: "EMEA", EUROPE: "EMEA"}
"""The sales team that covers a region."""


@dataclass(frozen=True, slots=True)
class Person:
    """One employee, with what the sample company needs to know of them."""

    person_id: str
    name: str
    department: str
    team: str
    role: str
    tier: str
    hired_on: date
    left_on: date | None
    annual_salary: int
    """Cents a year, in `currency`."""
    currency: str

    def works_on(self, day: date) -> bool:
        """Whether the person is employed on that day."""
        return self.hired_on <= day and (self.left_on is None or day < self.left_on)


@dataclass(frozen=True, slots=True)
class Post:
    """A job and the people who held it: (hired, left) pairs, in order."""

    department: str
    team: str
    role: str
    tier: str
    salary: int
    """Whole units of the currency a year."""
    currency: str
    holders: tuple[tuple[str, str | None], ...]


def _post(about: str, salary: int, currency: str, *spans: str) -> Post:
    """A post from `department/team/role/tier` and spans such as `2022-01-10` or `2022-01-10 2024-05-31`."""
    department, team, role, tier = about.split("/")
    holders = tuple((span.split()[0], span.split()[1] if " " in span else None) for span in spans)
    return Post(department, team, role, tier, salary, currency, holders)


_MANAGERS = (
    _post("executive/Management/Chief executive officer/executive", 240_000, "USD", "2020-06-01"),
    _post("sales/Management/Chief revenue officer/executive", 225_000, "USD", "2021-02-01"),
    _post("marketing/Management/Chief marketing officer/executive", 200_000, "USD", "2021-09-01"),
    _post("finance/Management/Chief financial officer/executive", 205_000, "USD", "2021-05-03"),
    _post("engineering/Management/Chief technology officer/executive", 220_000, "USD", "2020-06-01"),
    _post("revops/Revenue operations/Director of revenue operations/director", 165_000, "USD", "2022-03-14"),
    _post("sales/Management/Sales director North America/director", 170_000, "USD", "2021-08-02"),
    _post("sales/Management/Sales director EMEA/director", 128_000, "GBP", "2022-01-10"),
    _post("service/Support/Head of support/manager", 118_000, "USD", "2021-11-01"),
    _post("service/Customer success/Head of customer success/manager", 126_000, "USD", "2022-02-07"),
    _post("sales/Sales development/Sales development manager/manager", 105_000, "USD", "2022-05-02"),
    _post("sales/Account management/Account management lead/manager", 121_000, "USD", "2022-06-06"),
)

_SALES = (
    _post("sales/SMB North America/Account executive/doer", 68_000, "USD", "2020-10-05", "2024-09-02"),
    _post("sales/SMB EMEA/Account executive/doer", 46_000, "GBP", "2021-01-11"),
    _post(
        "sales/Mid-Market North America/Account executive/doer",
        92_000,
        "USD",
        "2020-12-07",
        "2022-02-14 2024-06-01",
        "2022-08-08",
        "2024-06-17",
    ),
    _post("sales/Mid-Market EMEA/Account executive/doer", 66_000, "EUR", "2021-01-18", "2023-03-06", "2025-02-03"),
    _post(
        "sales/Enterprise North America/Account executive/doer",
        126_000,
        "USD",
        "2020-12-07",
        "2022-09-05",
        "2024-04-08",
    ),
    _post(
        "sales/Enterprise EMEA/Account executive/doer",
        88_000,
        "GBP",
        "2021-01-11 2025-03-15",
        "2023-08-07",
        "2025-04-07",
    ),
    _post("sales/Solutions/Solutions engineer/doer", 118_000, "USD", "2021-12-06", "2023-05-15", "2024-09-02"),
    _post("sales/Account management/Account manager/doer", 84_000, "USD", "2020-11-02", "2022-10-03", "2024-01-15"),
    _post("sales/Account management/Account manager/doer", 58_000, "EUR", "2020-11-02", "2022-11-07", "2024-10-07"),
    _post(
        "sales/Sales development/Sales development representative/doer",
        52_000,
        "USD",
        "2022-06-06 2024-03-01",
        "2022-09-12",
        "2023-02-06",
        "2024-03-11",
        "2025-01-20",
    ),
    _post(
        "sales/Sales development/Sales development representative/doer",
        36_000,
        "EUR",
        "2022-07-04",
        "2023-06-05 2025-05-01",
        "2025-05-12",
    ),
)

_OTHERS = (
    _post(
        "service/Customer success/Customer success manager/doer",
        78_000,
        "USD",
        "2022-02-07",
        "2023-01-09",
        "2024-03-04",
    ),
    _post("service/Customer success/Customer success manager/doer", 54_000, "EUR", "2022-09-05", "2024-08-05"),
    _post(
        "service/Support/Support agent/doer",
        56_000,
        "USD",
        "2021-11-15",
        "2022-05-16",
        "2023-04-03 2025-05-26",
        "2023-10-02",
        "2025-08-25",
    ),
    _post(
        "service/Support/Support agent/doer",
        39_000,
        "EUR",
        "2022-03-21",
        "2023-01-16 2025-06-01",
        "2024-05-06",
        "2025-09-01",
    ),
    _post("marketing/Demand generation/Demand generation manager/manager", 112_000, "USD", "2022-01-24"),
    _post(
        "marketing/Demand generation/Campaign specialist/doer", 72_000, "USD", "2022-04-11", "2023-07-10", "2024-11-04"
    ),
    _post("marketing/Content/Content writer/doer", 66_000, "USD", "2022-02-21", "2023-11-06"),
    _post("marketing/Events/Event manager/doer", 70_000, "USD", "2022-08-15"),
    _post("revops/Revenue operations/Revenue operations manager/manager", 118_000, "USD", "2022-07-11"),
    _post("revops/Revenue operations/CRM administrator/doer", 84_000, "USD", "2022-05-23", "2024-02-12"),
    _post("revops/Revenue operations/Revenue analyst/doer", 88_000, "USD", "2022-11-14", "2025-02-17"),
    _post("finance/Finance/Accountant/doer", 74_000, "USD", "2021-09-20", "2023-05-08"),
    _post("finance/Finance/Billing specialist/doer", 64_000, "USD", "2022-06-20"),
    _post("people/People/People partner/manager", 92_000, "USD", "2022-01-10"),
    _post(
        "engineering/Product engineering/Software engineer/doer",
        148_000,
        "USD",
        "2020-08-03",
        "2020-09-07",
        "2021-01-11",
        "2021-03-15",
        "2021-07-05 2024-08-01",
        "2021-11-08",
        "2022-03-07",
        "2022-08-01",
        "2023-02-13",
        "2023-06-12",
        "2024-01-08",
        "2024-09-09",
        "2025-03-10",
    ),
    _post(
        "engineering/Product engineering/Software engineer/doer",
        82_000,
        "EUR",
        "2021-05-10",
        "2021-10-18",
        "2022-06-13",
        "2023-04-17",
        "2024-05-13",
        "2025-06-02",
    ),
    _post("engineering/Product/Product manager/manager", 152_000, "USD", "2021-08-16", "2023-09-18"),
    _post("engineering/Platform/Site reliability engineer/doer", 154_000, "USD", "2022-02-28", "2024-03-18"),
    _post("engineering/Product/Product designer/doer", 118_000, "USD", "2021-12-13", "2024-06-10"),
)

_MANAGER_OF = {
    "sales": "Chief revenue officer",
    "service": "Chief revenue officer",
    "revops": "Director of revenue operations",
    "marketing": "Chief marketing officer",
    "finance": "Chief financial officer",
    "engineering": "Chief technology officer",
}
_MANAGER_OF_TEAM = {
    "Sales development": "Sales development manager",
    "Account management": "Account management lead",
    "Support": "Head of support",
    "Customer success": "Head of customer success",
    "Demand generation": "Demand generation manager",
}


class Staff:
    """Everybody who works or worked at the company, and who does what."""

    def __init__(self, people: list[Person]) -> None:
        """The people in the order in which their posts are listed."""
        self.people = people
        self._turns: dict[str, int] = {}

    def by_role(self, role: str) -> Person:
        """The first person of that role."""
        return next(person for person in self.people if person.role == role)

    def team(self, team: str, role: str, day: date) -> list[Person]:
        """Those of that team and role who are employed on the day."""
        return [
            person for person in self.people if person.team == team and person.role == role and person.works_on(day)
        ]

    def next_of(self, team: str, role: str, day: date, currencies: tuple[str, ...] = ()) -> Person:
        """Whose turn it is in that team: one after the other, so that the load is even."""
        able = self.team(team, role, day)
        able = [person for person in able if person.currency in currencies] or able
        turn = self._turns.get(team + role, 0)
        self._turns[team + role] = turn + 1
        return able[turn % len(able)]

    def seller(self, segment: str, region: str, day: date) -> Person:
        """The account executive who gets a new deal of that segment and region."""
        return self.next_of(f"{segment} {SALES_AREA[region]}", "Account executive", day)

    def account_manager(self, region: str, day: date) -> Person:
        """The account manager who takes over a new customer of that region."""
        currencies = ("USD",) if region == NORTH_AMERICA else ("EUR", "GBP")
        return self.next_of("Account management", "Account manager", day, currencies)

    def developer(self, region: str, day: date) -> Person:
        """The sales development representative who gets a new lead of that region."""
        currencies = ("USD",) if region == NORTH_AMERICA else ("EUR", "GBP")
        return self.next_of("Sales development", "Sales development representative", day, currencies)

    def sellers(self) -> list[Person]:
        """Everybody who carries a quota: account executives and account managers."""
        return [person for person in self.people if person.role in {"Account executive", "Account manager"}]


def hire(world: World) -> Staff:
    """Fill `people` and return the staff."""
    people: list[Person] = []
    for post in (*_MANAGERS, *_SALES, *_OTHERS):
        for hired, left in post.holders:
            number = len(people)
            name = f"{FIRST_NAMES[number % 50]} {LAST_NAMES[(number * 7 + number // 50) % 50]}"
            raise_for_years = 1 + 0.01 * (number % 7)
            people.append(
                Person(
                    person_id=f"P-{number + 1:03d}",
                    name=name,
                    department=post.department,
                    team=post.team,
                    role=post.role,
                    tier=post.tier,
                    hired_on=date.fromisoformat(hired),
                    left_on=date.fromisoformat(left) if left else None,
                    annual_salary=round(post.salary * raise_for_years) * 100,
                    currency=post.currency,
                )
            )
    staff = Staff(people)
    for person in people:
        world.add(
            "people",
            person_id=person.person_id,
            name=person.name,
            email=f"{person.name.lower().replace(' ', '.')}@halden.example",
            department=person.department,
            team=person.team,
            role=person.role,
            tier=person.tier,
            manager_id=_manager(staff, person),
            hired_on=person.hired_on,
            left_on=person.left_on,
            fte="0.8" if person.role in {"Content writer", "Accountant"} else None,
            annual_salary=person.annual_salary,
            currency=person.currency,
        )
    return staff


def _manager(staff: Staff, person: Person) -> str | None:
    if person.role == "Chief executive officer":
        return None
    role = _MANAGER_OF_TEAM.get(person.team) or _MANAGER_OF.get(person.department, "Chief executive officer")
    if person.team.endswith(("North America", "EMEA")):
        area = "North America" if person.team.endswith("North America") else "EMEA"
        role = f"Sales director {area}"
    if role == person.role:
        role = _MANAGER_OF.get(person.department, "Chief executive officer")
    if role == person.role or person.tier == "executive":
        role = "Chief executive officer"
    return staff.by_role(role).person_id
