"""What stands before the four layers, in the root stack: all of them stand on it."""

from foundation.application_key import ApplicationKey
from foundation.permissions_boundary import PermissionsBoundary
from foundation.termination_protection import TerminationProtection

__all__ = ["ApplicationKey", "PermissionsBoundary", "TerminationProtection"]
