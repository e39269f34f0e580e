"""Fills a new Tryton database with a company that sells: `demo.py CONFIG DATABASE`, or `demo.py CONFIG DATABASE without-sales`.

What is made is the same in every run, but for the day on which it is made: a company with a chart of accounts, 24 customers (one of them inactive), 12 products,
and 300 sales with 1 to 4 lines each, a part of them quoted or confirmed.
"""

import datetime
import os
import sqlite3
import sys
from decimal import Decimal

from proteus import Model, config as proteus_config
from trytond.modules.account.tests.tools import create_chart, create_fiscalyear, create_tax, get_accounts
from trytond.modules.account_invoice.tests.tools import create_payment_term, set_fiscalyear_invoice_sequences
from trytond.modules.company.tests.tools import create_company

CUSTOMERS, PRODUCTS, SALES, LARGE = 24, 12, 300, 30_000
CITIES = ['Berlin', 'Lyon', 'Liège', 'Österreich', 'Torino']


def company():
    create_company()
    create_chart()
    fiscalyear = set_fiscalyear_invoice_sequences(create_fiscalyear())
    fiscalyear.click('create_period')
    term = create_payment_term()
    term.save()
    return term


def customers():
    Party, Address = Model.get('party.party'), Model.get('party.address')
    made = []
    for number in range(1, CUSTOMERS + 1):
        party = Party(name=f'Customer {number:02}', code=f'C{number:03}')
        address, = party.addresses
        address.city = CITIES[number % len(CITIES)]
        made.append(party)
    Party.save(made)
    made[-1].active = False
    made[-1].save()
    assert Address.find([('city', '=', 'Lyon')])
    return made


def products():
    accounts = get_accounts()
    Category, Uom, Template = Model.get('product.category'), Model.get('product.uom'), Model.get('product.template')
    tax = create_tax(Decimal('.10'))
    tax.save()
    category = Category(name='Goods', accounting=True)
    category.account_expense, category.account_revenue = accounts['expense'], accounts['revenue']
    category.customer_taxes.append(tax)
    category.save()
    unit, = Uom.find([('name', '=', 'Unit')])
    templates = []
    for number in range(1, PRODUCTS + 1):
        template = Template(name=f'Product {number:02}', type='service', salable=True)
        template.default_uom = unit
        template.list_price = Decimal(number) * Decimal('2.5')
        template.account_category = category
        templates.append(template)
    Template.save(templates)
    return unit, tax, [template.products[0] for template in templates]


def sales(term, parties, unit, tax, goods):
    Sale = Model.get('sale.sale')
    context = proteus_config.get_config().context
    first = datetime.date.today().replace(month=1, day=1)
    # Inactive customers buy nothing.
    buyers = [party for party in parties if party.active]

    def line(number, position):
        product = goods[(number * 7 + position * 5) % len(goods)]
        return {
            'type': 'line', 'product': product.id, 'quantity': float(1 + (number + position) % 9), 'unit': unit.id,
            'unit_price': Decimal(product.template.list_price), 'taxes': [('add', [tax.id])],
            'description': f'{position} of {number}' if position % 2 else None,
        }

    values = []
    for number in range(1, SALES + 1):
        party = buyers[(number * number + number) % len(buyers)]
        address = party.addresses[0].id
        values.append({
            'party': party.id, 'invoice_address': address, 'shipment_address': address, 'payment_term': term.id,
            'reference': f'PO-{number:05}' if number % 3 else None,
            'sale_date': first + datetime.timedelta(days=number % 180),
            'lines': [('create', [line(number, position) for position in range(1, 2 + number % 4)])],
        })
    made = Sale._proxy.create(values, context)
    Sale._proxy.quote([sale for sale in made if sale % 3 == 0], context)
    Sale._proxy.confirm([sale for sale in made if sale % 6 == 0], context)
    assert len(made) == SALES


def large(path):
    """The rows that are too many to be made one by one."""
    with sqlite3.connect(path) as database:
        database.execute(
            'WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?) '
            'INSERT INTO portico_fixture_large (id, create_uid, create_date, filler) SELECT n, 1, ?, ? FROM number',
            (LARGE, '2026-01-01 00:00:00', 'portico ' * 100))


def main(config_file, name, *options):
    proteus_config.set_trytond(database=name, user='admin', config_file=config_file)
    term = company()
    parties = customers()
    unit, tax, goods = products()
    if options == ('without-sales',):
        return
    assert not options, options
    sales(term, parties, unit, tax, goods)
    path = os.path.join(os.path.dirname(config_file), f'{name}.sqlite')
    large(path)
    # Into one file, which is copied for each test.
    with sqlite3.connect(path) as database:
        database.execute('PRAGMA wal_checkpoint(TRUNCATE)')


main(*sys.argv[1:])
