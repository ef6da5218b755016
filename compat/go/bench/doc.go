// Package bench measures the official Go SDK and Latchkey's own client side by
// side: go test -bench . ./bench
package bench
