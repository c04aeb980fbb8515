"""The ``durable`` command line: ``commands`` says what it does, ``text`` how it prints."""
