"""What a deployment of CodeDeploy does: it moves an alias from one version to another."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Shift:
    function: str
    current: str
    target: str

    @classmethod
    def read(cls, codedeploy: Any, deployment: str) -> Shift:
        """From the deployment's AppSpec, which CloudFormation hands over as JSON (AWS CodeDeploy
        user guide, "AppSpec 'resources' section for AWS Lambda deployments")."""
        info = codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
        # The deployment itself names the revision, by its hash; this has its content too.
        revision = codedeploy.get_application_revision(
            applicationName=info["applicationName"], revision=info["revision"]
        )["revision"]
        spec = json.loads((revision.get("string") or revision["appSpecContent"])["content"])
        ((resource,),) = (each.values() for each in spec["Resources"])
        properties = resource["Properties"]
        return cls(
            function=properties["Name"].rpartition(":")[2],  # a name or an ARN
            current=str(properties["CurrentVersion"]),
            target=str(properties["TargetVersion"]),
        )

    @property
    def is_forward(self) -> bool:
        """Versions are numbered in the order of their publication."""
        return int(self.target) > int(self.current)

    def __str__(self) -> str:
        return f"{self.function} {self.current} -> {self.target}"
