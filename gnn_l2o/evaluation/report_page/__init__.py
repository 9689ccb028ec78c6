"""One page of HTML that shows evaluations, in one file that needs no network: charts that answer, tables that sort."""
