"""A small SOAP server of orders, made with spyne: the tests of `rest` ask it. It prints its port when it listens, and ends with its input."""

import logging
import sys
import threading
from decimal import Decimal
from wsgiref.simple_server import WSGIRequestHandler, make_server

from spyne import Application, Array, ComplexModel, Date, Fault, Integer, ServiceBase, Unicode, rpc
from spyne import Decimal as Money
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication


class Order(ComplexModel):
    __namespace__ = "urn:orders"
    id = Integer
    status = Unicode
    amount = Money
    placed = Date
    note = Unicode


ORDERS = {}
LOCK = threading.Lock()


def fill():
    import datetime

    for number in range(1, 41):
        ORDERS[number] = Order(
            id=number,
            status=["open", "paid", "it's <sent> & \"done\""][number % 3],
            amount=Decimal(number) + Decimal("0.25"),
            placed=datetime.date(2026, 1, 1) + datetime.timedelta(days=number),
            note=None if number % 4 == 0 else f"note {number}",
        )


class Orders(ServiceBase):
    @rpc(Unicode, Integer, Integer, _returns=Array(Order))
    def list_orders(self, status, offset, limit):
        with LOCK:
            found = [order for _, order in sorted(ORDERS.items()) if status is None or order.status == status]
        offset = offset or 0
        return found[offset:] if limit is None else found[offset : offset + limit]

    @rpc(Integer, _returns=Order)
    def get_order(self, id):
        with LOCK:
            return ORDERS.get(id)

    @rpc(Unicode, Money, _returns=Order)
    def create_order(self, status, amount):
        if amount < 0:
            raise Fault("Client.Amount", "an amount below zero: <refused>")
        with LOCK:
            number = max(ORDERS) + 1
            ORDERS[number] = Order(id=number, status=status, amount=amount)
            return ORDERS[number]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def main():
    logging.disable(logging.CRITICAL)
    fill()
    protocol = Soap12 if "1.2" in sys.argv else Soap11
    out = Soap12() if "1.2" in sys.argv else Soap11()
    application = Application([Orders], "urn:orders", in_protocol=protocol(validator="lxml"), out_protocol=out)
    server = make_server("127.0.0.1", 0, WsgiApplication(application), handler_class=Quiet)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


main()
