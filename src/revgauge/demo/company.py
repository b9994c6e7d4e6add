"""The sample company as a whole: its parts in the order in which one needs the other."""

from __future__ import annotations

from operator import itemgetter

from revgauge.demo import territories, usage
from revgauge.demo.campaigns import Campaigns
from revgauge.demo.deals import Deals
from revgauge.demo.finance import Finance
from revgauge.demo.leads import Leads
from revgauge.demo.market import Companies, Rates, size_up
from revgauge.demo.people import hire
from revgauge.demo.programme import Programme
from revgauge.demo.records import Records
from revgauge.demo.subscriptions import Subscriptions
from revgauge.demo.support import Support
from revgauge.demo.world import World


def invent(seed: int) -> World:
    """Make up the company: every table of it, without the faults that its exports have."""
    world = World(seed)
    staff, rates = hire(world), Rates(world)
    size_up(world)
    companies, campaigns = Companies(world), Campaigns(world)
    subscriptions = Subscriptions(world, staff, companies, Deals(world, staff, campaigns))
    subscriptions.found_base()
    Leads(world, staff, companies, campaigns).bring(subscriptions.convert)
    subscriptions.finish()
    territories.divide(world, staff, subscriptions.customers)
    territories.group(world)
    usage.use(world, subscriptions.customers)
    support = Support(world, staff, companies, subscriptions.customers)
    support.serve()
    support.advocate()
    Finance(world, staff, rates, campaigns).book()
    Programme(world, staff, support).carry_out()
    Records(world, staff).write()
    territories.double(world)
    for entity, moment in (("invoices", "issued_on"), ("payments", "paid_at"), ("activities", "occurred_at")):
        world.tables[entity].sort(key=itemgetter(moment))
    return world
