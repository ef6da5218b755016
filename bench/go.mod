// A module of its own, so that nobody who uses the product downloads its rivals.
module github.com/latchkeyhq/latchkey/bench

go 1.26.0

require (
	github.com/go-redis/redis_rate/v10 v10.0.1 // a rival in process
	github.com/google/go-cmp v0.7.0 // differences that people can read
	github.com/jackc/pgx/v5 v5.12.0 // what the self-rolled handler asks PostgreSQL with
	github.com/latchkeyhq/latchkey v0.0.0 // what is measured
	github.com/redis/go-redis/v9 v9.23.0 // what the self-rolled handler asks Redis with
	github.com/sethvargo/go-limiter v0.7.1 // a rival in process
	google.golang.org/grpc v1.85.0 // what rivals speak
	modernc.org/sqlite v1.60.1 // a ceiling, and how data is made in bulk
)

require (
	github.com/AfterShip/clickhouse-sql-parser v0.5.3 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/gofrs/flock v0.13.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/maypok86/otter/v2 v2.4.0 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/ncruces/go-strftime v1.0.0 // indirect
	github.com/prometheus/client_golang v1.25.0 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/redis/rueidis v1.0.79 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/yuin/goldmark v1.8.7 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	modernc.org/libc v1.77.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)

replace github.com/latchkeyhq/latchkey => ../
