module github.com/latchkeyhq/latchkey

go 1.26.0

// What the product stands on, each with its reason.
require (
	github.com/AfterShip/clickhouse-sql-parser v0.5.3 // the SQL of analytics: nothing but the standard library
	github.com/alecthomas/kong v1.17.0 // the command line: one struct gives flags, environment, help
	github.com/gofrs/flock v0.13.1 // one process owns a data folder, on every system
	github.com/jackc/pgx/v5 v5.12.0 // PostgreSQL, behind database/sql
	github.com/klauspost/compress v1.20.4 // zstd without cgo: the columns of stored events
	github.com/maypok86/otter/v2 v2.4.0 // the bounded cache: fastest hit and best hit rate of those measured
	github.com/prometheus/client_golang v1.25.0 // metrics in the form that every monitor reads
	github.com/redis/rueidis v1.0.79 // Redis and Valkey: pipelines by itself, twice the checks a second of the others measured
	github.com/yuin/goldmark v1.8.7 // the pages of the documentation in the dashboard: nothing but the standard library
	golang.org/x/sync v0.24.0 // singleflight: concurrent misses load once
	golang.org/x/term v0.46.0 // the width of a terminal, and a root key that is typed unseen
	golang.org/x/text v0.43.0 // role names are unique regardless of letter case in every script
	modernc.org/sqlite v1.60.1 // SQLite without cgo
)

// What only tests use.
require (
	github.com/anishathalye/porcupine v1.3.1 // histories of concurrent calls are those of one after the other
	github.com/getkin/kin-openapi v0.152.0 // every exchange is held against openapi.json
	github.com/google/go-cmp v0.7.0 // differences that people can read
	github.com/rogpeppe/go-internal v1.16.0 // testscript: the command line as its users type it
	go.uber.org/goleak v1.3.0 // no goroutine is left behind
	pgregory.net/rapid v1.3.0 // properties against naive models
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/go-openapi/jsonpointer v0.22.5 // indirect
	github.com/go-openapi/swag/jsonname v0.25.5 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/kylelemons/godebug v1.1.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/ncruces/go-strftime v1.0.0 // indirect
	github.com/oasdiff/yaml v0.1.1 // indirect
	github.com/oasdiff/yaml3 v0.0.14 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	modernc.org/libc v1.77.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)
