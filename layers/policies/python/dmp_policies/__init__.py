"""Who may see what, as text and data: Cedar policies, their schema, the matrix, the durations.

Nothing here runs: `dmp.access` reads these files, `infra.cdk.policies` checks them at build.
"""
