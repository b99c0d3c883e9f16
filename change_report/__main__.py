import sys

from change_report.cli import main

sys.exit(main())
