package check

import "testing"

func BenchmarkDecode(b *testing.B) {
	plan, body := Of[verification](), []byte(`{"key":"sk_live_2qZrC3pVbW8yHkT5nLx9"}`)
	b.ReportAllocs()
	for b.Loop() {
		var v verification
		if faults := plan.Decode(body, &v); faults != nil {
			b.Fatal(faults)
		}
	}
}

func BenchmarkDecodeMany(b *testing.B) {
	plan, body := Of[update](), []byte(wellFormed)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var v update
		if faults := plan.Decode(body, &v); faults != nil {
			b.Fatal(faults)
		}
	}
}

func BenchmarkValue(b *testing.B) {
	plan, v := Of[verification](), &verification{Key: "sk_live_2qZrC3pVbW8yHkT5nLx9"}
	b.ReportAllocs()
	for b.Loop() {
		if faults := plan.Value(v); faults != nil {
			b.Fatal(faults)
		}
	}
}
