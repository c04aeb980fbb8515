"""The ``durable`` command line.

``main`` lists the commands and imports the module of the one that is asked for; each module holds a group of
commands. ``session`` connects them to a dashboard or to a database, ``text`` and ``tree`` draw what they print.
"""
