"""Every command: its name, where it is, one line about it. Nothing here is imported before its command runs.

A new command is a new line.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A command. `target` is "module:function"."""

    target: str
    help: str
    section: str = "Commands"


class Group(NamedTuple):
    """Several commands under one word."""

    commands: Mapping[str, "Entry | Group"]
    help: str
    section: str = "Commands"


DAEMON = {
    "start": Entry("cli.commands.daemon_start:start", "Start the daemon and wait until it answers."),
    "stop": Entry("cli.commands.daemon_stop:stop", "Let the open orders finish, then stop the daemon."),
    "restart": Entry("cli.commands.daemon_restart:restart", "Stop the daemon, then start it."),
    "status": Entry("cli.commands.daemon_status:status", "Say whether the daemon runs, and where."),
    "run": Entry("cli.commands.daemon_run:run", "Run the daemon here, in the foreground."),
    "logs": Entry("cli.commands.daemon_logs:logs", "Show the daemon's log."),
}

CONFIG = {
    "path": Entry("cli.commands.config_path:path", "Print where the files of this home are."),
    "show": Entry("cli.commands.config_show:show", "Print the settings that hold."),
    "set": Entry("cli.commands.config_set:set_", "Change a setting in config.toml."),
}

FAULT = {
    "add": Entry("cli.commands.sim_fault_add:add", "Make something go wrong from now on."),
    "list": Entry("cli.commands.sim_fault_list:list_", "List the faults of the running daemon."),
    "clear": Entry("cli.commands.sim_fault_clear:clear", "Clear faults."),
}

ROUTE = {
    "receipt": Entry("cli.commands.route_receipt:receipt", "Print the receipt of an order's route."),
    "verify": Entry("cli.commands.route_verify:verify", "Check a receipt; no daemon is asked."),
}

SIM: Mapping[str, Entry | Group] = {
    "fault": Group(FAULT, "Script what goes wrong for your bot."),
    "market": Entry("cli.commands.sim_market:market", "Show how the rest of the market behaves, or choose it."),
    "import": Entry(
        "cli.commands.sim_import:import_", "Bring real pools into the simulated market, all of a file or none."
    ),
    "run": Entry(
        "cli.commands.sim_run:run", "Live many orders under seeded faults and check that nothing is lost or doubled."
    ),
    "mutants": Entry(
        "cli.commands.sim_mutants:mutants", "Make the engine wrong in each of its rules and see that it is noticed."
    ),
    "crash": Entry(
        "cli.commands.sim_crash:crash",
        "Kill real processes at every point and at random, and check that nothing is lost or doubled.",
    ),
}

COMMANDS: Mapping[str, Entry | Group] = {
    "submit": Entry(
        "cli.commands.submit:submit", "Sell exactly AMOUNT of IN for OUT, or get exactly so much.", "Orders"
    ),
    "batch": Entry("cli.commands.batch:batch", "Place many orders from NDJSON or CSV.", "Orders"),
    "list": Entry("cli.commands.list:list_", "List orders, newest last.", "Orders"),
    "show": Entry("cli.commands.show:show", "Show all that is known of an order.", "Orders"),
    "watch": Entry("cli.commands.watch:watch", "Watch orders live until they are over.", "Orders"),
    "wait": Entry("cli.commands.wait:wait", "Wait until orders are over.", "Orders"),
    "events": Entry("cli.commands.events:events", "Print what happened, and what happens.", "Orders"),
    "cancel": Entry("cli.commands.cancel:cancel", "Cancel orders that are not sent yet.", "Orders"),
    "retry": Entry("cli.commands.retry:retry", "Place an order that was not executed anew.", "Orders"),
    "dashboard": Entry(
        "cli.commands.dashboard:dashboard", "Show orders, venues, wallet and log full-screen, live.", "Orders"
    ),
    "quote": Entry("cli.commands.quote:quote", "Compare venues and routes; nothing is placed.", "Market"),
    "route": Group(ROUTE, "How good a route was, for anybody to check.", "Market"),
    "balances": Entry("cli.commands.balances:balances", "Show what the wallet has.", "Market"),
    "venues": Entry("cli.commands.venues:venues", "Show the venues and how they serve.", "Market"),
    "pools": Entry("cli.commands.pools:pools", "Show the pools, all or of one pair.", "Market"),
    "tokens": Entry("cli.commands.tokens:tokens", "Show the tokens that can be traded.", "Market"),
    "status": Entry("cli.commands.status:status", "Show how the engine is doing.", "Engine"),
    "halt": Entry("cli.commands.halt:halt", "Stop trading at once: nothing is accepted or sent.", "Engine"),
    "resume": Entry("cli.commands.resume:resume", "Let trading go on after a halt.", "Engine"),
    "daemon": Group(DAEMON, "Start, stop and look at the daemon.", "Engine"),
    "sim": Group(SIM, "The simulated world: its faults, and the proofs.", "Engine"),
    "doctor": Entry("cli.commands.doctor:doctor", "Check that everything is in order.", "Engine"),
    "config": Group(CONFIG, "Show and change the settings.", "Engine"),
    "completion": Entry(
        "cli.commands.completion:completion", "Print the script that completes oee in your shell.", "Engine"
    ),
    "help": Entry("cli.commands.help:help_", "Explain a command or a topic.", "Engine"),
    "version": Entry("cli.commands.version:version", "Print the version.", "Engine"),
}
