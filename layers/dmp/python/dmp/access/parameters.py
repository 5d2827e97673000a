"""What the rules leave to be set: data of the policies layer."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.resources import files

from dmp.domain.parameters import Parameters


def load_parameters() -> Parameters:
    """The parameters in force."""
    told = json.loads(files("dmp_policies").joinpath("parameters.json").read_text("utf-8"))
    return Parameters(
        majority=told["majorityYears"],
        majority_reminder=timedelta(days=told["majorityReminderDays"]),
        care_team=timedelta(days=told["careTeamDays"]),
        masked_and_invisible=told["maskedAndInvisible"],
    )
