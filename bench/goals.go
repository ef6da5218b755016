package main

import "github.com/latchkeyhq/latchkey/bench/report"

// goals are the performance goals of Latchkey. Ratios compare samples of the same rounds.
func goals() []report.Goal {
	const http, bareName = "http32", "bare handler"
	of := func(text, trial, side, metric, against string, atLeast, atMost float64) report.Goal {
		g := report.Goal{Text: text, Value: report.Ref{Trial: trial, Side: side, Metric: metric},
			AtLeast: atLeast, AtMost: atMost}
		if against != "" {
			g.Of = report.Ref{Trial: trial, Side: against, Metric: metric}
		}
		return g
	}
	share := func(text, side string, atLeast float64) report.Goal {
		return of(text+": throughput ÷ bare handler's", http, side, report.Rate, bareName, atLeast,
			0)
	}
	beside := func(rival string) report.Goal {
		return of("Limit, 100,000 identifiers: throughput ÷ that of "+rival, "rivalsmany", ours,
			report.Rate, rival, 2, 0)
	}
	return []report.Goal{
		share("Verify", plain, 0.90),
		of("Verify: server CPU ÷ bare handler's", http, plain, report.ServerCPU, bareName, 0, 1.3),
		of("Verify: p99 ÷ bare handler's, both at 70 % of their maximum rate", "p99", plain,
			report.P99, bareName, 0, 1.5),
		share("Verify with one limit", limited, 0.85),
		share("Verify with durable credits, 1,000 keys", balances, 0.5),
		share("Verify with durable credits, one key", oneBalance, 0.5),
		share("Verify with ten roles and a query", roles, 0.85),
		share("Limit, one identifier", hot, 0.90),
		share("Limit, 100,000 identifiers", many, 0.85),
		beside(gubernatorHTTP), beside(gubernatorGRPC), beside(envoyHTTP), beside(envoyGRPC),
		of("nginx with a gate: throughput ÷ that with a static 204 of net/http", "gate", gated,
			report.Rate, staticHandler, 0.80, 0),
		of("Verify in process: ns", "inprocess", "verify", report.Nanos, "", 0, 1000),
		of("Verify in process: allocations", "inprocess", "verify", report.Allocs, "", 0, 4),
		of("Verify with one limit in process: ns", "inprocess", limited, report.Nanos, "", 0, 1500),
		of("Verify in process, next to a program's own data: ns", "hosted", plain, report.Nanos, "",
			0, 1000),
		of("… with one limit: ns", "hosted", limited, report.Nanos, "", 0, 1500),
		of("… calls per second, two processors ÷ one", "hosted", plain+onTwo, report.Rate, plain,
			1.8, 0),
		of("… in an otherwise empty process: calls per second, two processors ÷ one", "inprocess",
			plain+onTwo, report.Rate, plain, 1.8, 0),
		of("Limiter decision in process: ns ÷ go-limiter's", "limiters", "Latchkey, one identifier",
			report.Nanos, "go-limiter, one identifier", 0, 1.5),
		of("createKey: keys per second, each on disk", "create", create, report.Rate, "", 5000, 0),
		of("Verify with a million keys ÷ with a thousand: p50", "growth", "of 1,000,000 keys",
			report.P50, "of 1,000 keys", 0, 1.1),
		of("Verify with a million keys ÷ with a thousand: server CPU", "growth",
			"of 1,000,000 keys", report.ServerCPU, "of 1,000 keys", 0, 1.1),
		of("Memory of a cached key: bytes", "memory", "1,000,000 keys", report.BytesOfKey, "", 0,
			1024),
		of("Start to ready with a million keys: ms", "start", "1,000,000 keys", report.Ready, "", 0,
			1000),
		of("listKeys of a million keys: p50 of the last page ÷ the first", "pages", "last page",
			report.P50, "first page", 0, 1.2),
		of("listKeys: p50 of the first page of a million keys ÷ of a thousand", "pages",
			"first page", report.P50, "first page of 1,000 keys", 0, 1.2),
		of("Verify under writes: p99 ÷ p99 without writes, at the same rate", "mixed", "mixed",
			report.P99, "verify alone", 0, 2),
		of("Soak: memory at the end ÷ after warm-up", "soak", "verify and limit", report.Growth, "",
			0, 1.05),
	}
}

// panels are the panels of the chart.
func panels() []report.Panel {
	return []report.Panel{
		{Title: "Throughput over HTTP, share of a bare net/http handler (32 connections)",
			Trial: "http32", Metric: report.Rate},
		{Title: "Server CPU per request, times that of the bare handler (32 connections)",
			Trial: "http32", Metric: report.ServerCPU},
		{Title: "Throughput of a limit with 100,000 identifiers, relative to Latchkey",
			Trial: "rivalsmany", Metric: report.Rate},
		{Title: "Server CPU of a limit with 100,000 identifiers, relative to Latchkey",
			Trial: "rivalsmany", Metric: report.ServerCPU},
	}
}
