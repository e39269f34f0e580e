"""Throw-away servers, one module per program: started on a free port of 127.0.0.1, waited for, and stopped. None knows what is measured."""
