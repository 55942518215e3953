"""What an S3 client costs to make, paid once: for the tests themselves, and for the tasks of a live stack."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session
from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
from botocore.hooks import BaseEventHooks, EventAliaser


def make_light(put: Callable[[object, str, Any], object]) -> None:
    """A client is made in 10 ms in place of 150: the service's description is read once, botocore's own handlers are
    not looked at again, and nobody walks the stack for the name of an operator, to tell it in the user agent.

    :param put: as setattr.
    """
    alias = cache(EventAliaser(None)._alias_event_name)
    put(botocore.session, "create_loader", cache(botocore.session.create_loader))
    put(EventAliaser, "_alias_event_name", lambda _, name: alias(name))
    put(BaseEventHooks, "_verify_accept_kwargs", lambda *_: None)
    put(AwsGenericHook, "_get_caller", lambda *_: "Unknown")
