"""What stands before the four layers, in the root stack: all of them stand on it."""

from foundation.application_key import ApplicationKey
from foundation.monitoring_role import MonitoringRole
from foundation.permissions_boundary import PermissionsBoundary
from foundation.release_test import ReleaseTest
from foundation.shared_log_groups import SharedLogGroups
from foundation.termination_protection import TerminationProtection

__all__ = [
    "ApplicationKey",
    "MonitoringRole",
    "PermissionsBoundary",
    "ReleaseTest",
    "SharedLogGroups",
    "TerminationProtection",
]
