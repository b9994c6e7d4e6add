"""Records of accountability: readings, check-ins, reviews, decisions, actions, feedback, alerts and more."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import itemgetter

from revgauge.demo import stories
from revgauge.demo.clock import NOW, START, add_months, at_work, months, past, quarters, weekday_from
from revgauge.demo.people import Staff
from revgauge.demo.tables import table
from revgauge.demo.world import Row, World

_KPIS = (
    # id, metric among the reported values, targets by year, better
    ("recurring_revenue", "mrr", {2023: "740000", 2024: "1030000", 2025: "1450000"}, "up"),
    ("paying_customers", "active_customers", {2023: "230", 2024: "315", 2025: "410"}, "up"),
    ("customers_lost", "logo_churn_rate", {2023: "0.016", 2024: "0.014", 2025: "0.012"}, "down"),
)


class Records:
    """Writes down who judged, decided and did what."""

    def __init__(self, world: World, staff: Staff) -> None:
        """Needs reported values and report runs."""
        self._world, self._staff = world, staff
        self._chance = world.chance("records")

    def write(self) -> None:
        """Fill all records."""
        for kpi in _KPIS:
            self._read(*kpi)
        self._review()
        self._decide()
        self._check_in()
        self._change()
        self._listen()
        self._alert()
        self._deliver()

    def _id(self, role: str) -> str:
        return self._staff.by_role(role).person_id

    def _read(self, kpi: str, metric: str, targets: dict[int, str], better: str) -> None:
        """One reading a month from the reported value, against a straight way to the year's target."""
        chance = self._chance
        reported = [
            row for row in self._world.tables["metric_values"] if row["metric"] == metric and row["dimension"] is None
        ]
        for row in reported:
            year, number = row["period_start"].year, row["period_start"].month
            before = [other for other in reported if other["period_start"] == date(year - 1, 12, 1)]
            target, value = Decimal(targets[year]), Decimal(row["value"])
            baseline = Decimal(before[0]["value"]) if before and better == "up" else target * Decimal("0.8")
            expected = target if better == "down" else baseline + (target - baseline) * number / 12
            pace = value / expected if better == "up" else (expected / value if value else Decimal(2))
            status = "on_track" if pace >= Decimal("0.985") else ("at_risk" if pace >= Decimal("0.94") else "off_track")
            if number == 12:
                status = "met" if pace >= 1 else "missed"
            self._world.add(
                "kpi_readings",
                reading_id=self._world.key("KR", 4),
                kpi_id=f"{kpi}_{year}",
                definition_version="1",
                read_at=row["reported_at"] + timedelta(minutes=30),
                period_start=row["period_start"],
                period_end=row["period_end"],
                value=row["value"],
                expected=f"{expected:.4f}",
                pace=f"{pace:.4f}",
                projection=f"{(value * pace if better == 'up' else value):.4f}",
                probability=f"{min(Decimal('0.97'), max(Decimal('0.03'), (pace - Decimal('0.85')) * 4)):.2f}",
                owner_confidence=min(10, max(0, int(pace * 10) - 4 + chance.whole(-1, 2))),
                status=status,
                reason=None if status in {"on_track", "met"} else "behind the straight way to the target",
            )

    def _review(self) -> None:
        """Weekly pipeline, monthly scorecard, quarterly business reviews; some late, some not held."""
        week = weekday_from(START)
        while week <= NOW:
            self._meet("weekly", "pipeline", week, "Chief revenue officer", 0.93)
            week += timedelta(days=7)
        for month in months(START, NOW):
            self._meet(
                "monthly", "scorecard", weekday_from(month + timedelta(days=9)), "Director of revenue operations", 0.95
            )
        for quarter in quarters(START, NOW):
            self._meet(
                "quarterly", "business", weekday_from(quarter + timedelta(days=10)), "Chief executive officer", 1.0
            )
        self._world.tables["reviews"].sort(key=itemgetter("scheduled_on"))

    def _meet(self, cadence: str, scope: str, day: date, chair: str, odds: float) -> None:
        chance = self._chance
        late = chance.whole(3, 6) if chance.happens(0.07) else chance.pick((0, 0, 0, 0, 1))
        held_at = datetime.combine(weekday_from(day + timedelta(days=late)), time(15, 5))
        self._world.add(
            "reviews",
            review_id=f"RV-{cadence}-{day.isoformat()}",
            cadence=cadence,
            scope=scope,
            scheduled_on=day,
            held_at=held_at if past(held_at) and chance.happens(odds) else None,
            chair_id=self._id(chair),
            notes="Scorecard, causes, decisions." if cadence == "quarterly" else None,
        )

    def _decide(self) -> None:
        chance, world = self._chance, self._world
        reviews = [row for row in world.tables["reviews"] if row["cadence"] == "quarterly"]
        quarterly = {row["scheduled_on"].replace(day=1).isoformat(): row for row in reviews}
        for line in table("decisions"):
            review = quarterly[line["quarter"]]
            met_at = review["held_at"] or datetime.combine(review["scheduled_on"], time(15))
            decided_at = met_at + timedelta(minutes=chance.whole(10, 80))
            decision = world.add(
                "decisions",
                decision_id=world.key("D", 3),
                review_id=review["review_id"],
                kpi_id=f"{line['kpi']}_{line['quarter'][:4]}",
                decided_at=decided_at,
                decided_by=review["chair_id"],
                kind=line["kind"],
                text=line["text"],
                expected_effect=line["expected_effect"],
                metric=line["metric"],
                revisit_on=add_months(decided_at.date(), 3),
            )
            if line["action"]:
                self._act(decision, line["action"], int(line["days"]), int(line["took"]) if line["took"] else None)

    def _act(self, decision: Row, text: str, days: int, took: int | None) -> None:
        decided_on = decision["decided_at"].date()
        done_on = decided_on + timedelta(days=took) if took is not None else None
        self._world.add(
            "actions",
            action_id=self._world.key("N", 3),
            decision_id=decision["decision_id"],
            owner_id=self._id(
                self._chance.pick(("Director of revenue operations", "Revenue operations manager", "Head of support"))
            ),
            text=text,
            due_on=decided_on + timedelta(days=days),
            done_on=done_on,
            status="done" if done_on else "open",
            result="done as agreed" if done_on else None,
        )

    def _check_in(self) -> None:
        """Weekly check-ins on the two key results of each quarter of 2025."""
        chance = self._chance
        for quarter in quarters(date(2025, 1, 1), NOW):
            name = f"{quarter.year}_q{(quarter.month + 2) // 3}"
            for number, (start, goal) in enumerate((("0.42", "0.85"), ("0", "130")), 1):
                week, weeks = weekday_from(quarter + timedelta(days=5)), 12
                for done in range(weeks):
                    checked_at = at_work(week + timedelta(days=7 * done), chance)
                    if not past(checked_at):
                        break
                    share = Decimal(min(100, (done + 1) * chance.whole(60, 98) // weeks)) / 100
                    value = Decimal(start) + (Decimal(goal) - Decimal(start)) * share
                    self._world.add(
                        "okr_checkins",
                        checkin_id=self._world.key("CI", 4),
                        objective_id=f"{name}_quotes",
                        key_result_id=f"{name}_kr{number}",
                        person_id=self._id("Director of revenue operations"),
                        checked_at=checked_at,
                        value=f"{value:.3f}",
                        confidence=min(10, max(0, 5 + chance.whole(-2, 3))),
                        done_last=chance.pick(
                            ("Trained a team", "Fixed the template", "Cleaned the price list", "Nothing")
                        ),
                        planned_next=chance.pick(("Train the next team", "Sit beside two sellers", "Remove a step")),
                        blocker=chance.pick((None, None, None, "Waiting for legal", "No time of engineering")),
                    )

    def _change(self) -> None:
        for line in table("definition_changes"):
            year = line["changed_on"][:4]
            self._world.add(
                "definition_changes",
                change_id=self._world.key("DC", 3),
                subject_kind=line["subject_kind"],
                subject_id=f"{line['subject']}_{year}" if line["subject_kind"] == "kpi" else line["subject"],
                version=line["version"],
                changed_at=at_work(weekday_from(date.fromisoformat(line["changed_on"])), self._chance),
                changed_by=self._id("Revenue operations manager"),
                approved_by=self._id("Chief financial officer"),
                kind=line["kind"],
                old=line["old"],
                new=line["new"],
                reason=line["reason"],
                restates_from=line["restates_from"] or None,
                effect=line["effect"],
            )

    def _listen(self) -> None:
        """What colleagues say on numbers, about one a fortnight."""
        chance = self._chance
        words = {
            "question": "What counts as a customer here?",
            "challenge": "This does not match the bills of my accounts.",
            "idea": "Show it by plan as well.",
            "error": "My deal of last week is missing.",
        }
        day = START + timedelta(days=20)
        while day <= NOW:
            person = chance.pick(
                [person for person in self._staff.people if person.works_on(day) and person.tier != "executive"]
            )
            given_at = at_work(weekday_from(day), chance)
            if past(given_at):
                answered_at = given_at + timedelta(hours=chance.whole(2, 140))
                answered = past(answered_at) and chance.happens(0.88)
                kind = chance.pick(tuple(words))
                self._world.add(
                    "feedback",
                    feedback_id=self._world.key("FB", 3),
                    subject_kind=chance.pick(("metric", "kpi", "report", "decision")),
                    subject_id=chance.pick(
                        ("mrr", "win_rate", "quota_attainment", "sales_cycle_days", "Pipeline review")
                    ),
                    person_id=person.person_id,
                    given_at=given_at,
                    kind=kind,
                    text=words[kind],
                    answered_at=answered_at if answered else None,
                    answer="Explained with the rows behind the number." if answered else None,
                    outcome=chance.weighted({"kept_explained": 0.6, "changed": 0.28, "kept_unexplained": 0.12})
                    if answered
                    else None,
                )
            day += timedelta(days=chance.whole(8, 19))

    def _alert(self) -> None:
        """Triggers that fired: on the planted stories and, now and then, on a Monday without fresh data."""
        hole = stories.HOLE_FROM + timedelta(days=24)
        slow = stories.SLOW_FROM + timedelta(days=60)
        idle = stories.IDLE_FROM + timedelta(days=95)
        self._fire("resolution_time_high", "resolution_hours", hole, 85, "Resolution takes twice as long", "74")
        self._fire("security_review_slow", stories.SLOW_STAGE, slow, None, "Enterprise deals wait in this stage", "39")
        self._fire("activation_low", stories.IDLE_CHANNEL, idle, None, "Leads of the channel do not activate", "0.01")
        missing = [row for row in self._world.tables["source_loads"] if row["loaded_at"] is None]
        for row in missing[::3]:
            day = row["expected_at"].date()
            self._fire("data_late", f"{row['source']}.{row['entity']}", day, 1, "The load did not come", "1")

    def _fire(self, trigger: str, subject: str, day: date, days: int | None, message: str, value: str) -> None:
        """One alert, which ends after so many days, or is still on."""
        chance = self._chance
        pending_at = at_work(weekday_from(day), chance)
        resolved_at = pending_at + timedelta(days=days) if days else None
        resolved = resolved_at is not None and past(resolved_at)
        self._world.add(
            "alerts",
            alert_id=self._world.key("AL", 3),
            trigger_id=trigger,
            subject=subject,
            state="resolved" if resolved else "firing",
            pending_at=pending_at,
            fired_at=pending_at + timedelta(minutes=30),
            resolved_at=resolved_at if resolved else None,
            acknowledged_at=pending_at + timedelta(hours=chance.whole(1, 12)),
            acknowledged_by=self._id("Revenue operations manager"),
            value=value,
            message=message,
        )

    def _deliver(self) -> None:
        """Each published report goes to two or three people; not everybody opens it."""
        chance = self._chance
        for run in self._world.tables["report_runs"]:
            if run["published_at"] is None:
                continue
            day = run["published_at"].date()
            audience = [
                person
                for person in self._staff.people
                if person.works_on(day)
                and (
                    person.tier in {"executive", "director"}
                    if run["audience"] == "executive"
                    else person.tier == "manager"
                )
            ]
            for _ in range(chance.whole(2, 3)):
                delivered_at = run["published_at"] + timedelta(minutes=chance.whole(1, 20))
                opened_at = delivered_at + timedelta(minutes=int(chance.about(600)))
                self._world.add(
                    "deliveries",
                    delivery_id=self._world.key("DV", 4),
                    report_id=run["report_id"],
                    audience=run["audience"],
                    person_id=chance.pick(audience).person_id,
                    made_at=run["published_at"],
                    delivered_at=delivered_at,
                    opened_at=opened_at if past(opened_at) and chance.happens(0.75) else None,
                    definition_versions="mrr 1, win_rate 1",
                    data_through=run["published_at"] - timedelta(hours=10),
                    variables=f"period={run['period_start'].isoformat()}",
                )
