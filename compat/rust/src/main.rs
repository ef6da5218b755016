//! Exercises the crate unkey, which speaks version 1, through every method of its client.
//! BASE_URL, ROOT_KEY and RESULTS are set by compat/run.

use std::cell::{Cell, RefCell};
use std::{env, fmt::Debug, fs, process};

use serde_json::{json, Value};
use unkey::models::*;
use unkey::Client;

/// Counts checks and records the methods that succeeded.
#[derive(Default)]
struct Tally {
    passed: Cell<usize>,
    failed: Cell<usize>,
    methods: RefCell<String>,
}

impl Tally {
    fn same<T: PartialEq + Debug>(&self, what: &str, got: T, want: T) {
        if got == want {
            self.passed.update(|n| n + 1);
        } else {
            self.failed.update(|n| n + 1);
            eprintln!("FAIL {what}: got {got:?}, want {want:?}");
        }
    }

    /// Returns the response of a method. Without it nothing else can be checked.
    fn ok<T>(&self, method: &str, response: Result<T, HttpError>) -> T {
        self.methods.borrow_mut().push_str(&format!("`unkey` (Rust)\t0.6.0\t{method}\n"));
        self.passed.update(|n| n + 1);
        response.unwrap_or_else(|error| {
            eprintln!("FAIL {method}: {error:?}");
            process::exit(1)
        })
    }

    fn error<T: Debug>(&self, what: &str, response: Result<T, HttpError>, want: ErrorCode) {
        self.same(what, format!("{:?}", response.map_err(|e| e.code)), format!("Err({want:?})"));
    }
}

/// Verifies a key and returns the code and the balance.
async fn verify(t: &Tally, c: &Client, key: &str, api: &str) -> (ErrorCode, Option<usize>) {
    let seen = t.ok("verify_key", c.verify_key(VerifyKeyRequest::new(key, api)).await);
    (seen.code, seen.remaining)
}

async fn keys(t: &Tally, c: &Client, api: &str) {
    let limit = Ratelimit::new(RatelimitType::Fast, 3, 60_000, 3);
    let request = CreateKeyRequest::new(api)
        .set_owner_id("user_1")
        .set_byte_length(16)
        .set_prefix("sk")
        .set_name("n")
        .set_meta(json!({"plan": "pro"}))
        .set_expires(60_000) // from now
        .set_remaining(9)
        .set_ratelimit(limit.clone())
        .set_refill(Refill::new(5, RefillInterval::Daily));
    let made = t.ok("create_key", c.create_key(request).await);
    t.same("its prefix", &made.key[..3], "sk_");

    let request = VerifyKeyRequest::new(made.key.as_str(), api);
    let seen = t.ok("verify_key", c.verify_key(request).await);
    t.same("its code", (seen.valid, seen.code), (true, ErrorCode::Valid));
    t.same("its key", (seen.key_id, seen.name), (Some(made.key_id.clone()), Some("n".into())));
    t.same("its owner", (seen.owner_id, seen.enabled), (Some("user_1".into()), Some(true)));
    t.same("its metadata", seen.meta, Some(json!({"plan": "pro"})));
    t.same("its balance", (seen.remaining, seen.expires.is_some()), (Some(8), true));
    let state = seen.ratelimit.map(|state| (state.limit, state.remaining));
    t.same("its limit", state, Some((3, 2)));
    verify(t, c, &made.key, api).await;
    verify(t, c, &made.key, api).await;
    let used = verify(t, c, &made.key, api).await.0;
    t.same("a used limit", used, ErrorCode::RateLimited);
    t.same("an unknown key", verify(t, c, "sk_unknown", api).await.0, ErrorCode::NotFound);
    t.same("another API", verify(t, c, &made.key, "api_other").await.0, ErrorCode::Forbidden);

    let key = t.ok("get_key", c.get_key(GetKeyRequest::new(&made.key_id)).await);
    t.same("the key", (key.id, key.api_id), (made.key_id.clone(), api.into()));
    t.same("its start", made.key.starts_with(&key.start), true);
    t.same("the rest", (key.name, key.owner_id), (Some("n".into()), Some("user_1".into())));
    let stored = key.ratelimit.map(|l| (l.limit, l.refill_interval, l.ratelimit_type));
    t.same("its limit", stored, Some((3, 60_000, RatelimitType::Fast)));
    let refill = key.refill.map(|r| (r.amount, r.interval));
    t.same("its refill", refill, Some((5, RefillInterval::Daily)));

    let request = UpdateKeyRequest::new(&made.key_id)
        .set_owner_id(None)
        .set_name(Some("other"))
        .set_meta(None)
        .set_expires(None)
        .set_ratelimit(None);
    t.ok("update_key", c.update_key(request).await);
    let key = t.ok("get_key", c.get_key(GetKeyRequest::new(&made.key_id)).await);
    t.same("its name", key.name, Some("other".into()));
    t.same("its owner and metadata", (key.owner_id, key.meta), (None, None::<Value>));
    t.same("its expiry and limit", (key.expires, key.ratelimit.is_none()), (None, true));

    for (op, value, want) in [
        (UpdateOp::Set, 7, 7),
        (UpdateOp::Increment, 2, 9),
        (UpdateOp::Decrement, 4, 5),
    ] {
        let request = UpdateRemainingRequest::new(&made.key_id, Some(value), op);
        let got = t.ok("update_remaining", c.update_remaining(request).await);
        t.same("the balance", got.remaining, want);
    }
    let request = UpdateRemainingRequest::new(&made.key_id, Some(0), UpdateOp::Set);
    t.ok("update_remaining", c.update_remaining(request).await);
    let spent = verify(t, c, &made.key, api).await.0;
    t.same("a used-up key", spent, ErrorCode::UsageExceeded);

    let second = t.ok("create_key", c.create_key(CreateKeyRequest::new(api)).await);
    let request = ListKeysRequest::new(api).set_limit(1).set_revalidate_cache(true);
    let first = t.ok("list_keys", c.list_keys(request).await);
    t.same("the first page", (first.keys.len(), first.total), (1, 2));
    let request = ListKeysRequest::new(api).set_cursor(first.cursor.unwrap_or_default());
    let rest = t.ok("list_keys", c.list_keys(request).await);
    let mut ids = [first.keys[0].id.clone(), rest.keys[0].id.clone()];
    let mut want = [made.key_id.clone(), second.key_id];
    ids.sort();
    want.sort();
    t.same("the pages", ids, want);
    let request = ListKeysRequest::new(api).set_owner_id("user_2");
    t.same("other owners", t.ok("list_keys", c.list_keys(request).await).keys.len(), 0);

    t.ok("revoke_key", c.revoke_key(RevokeKeyRequest::new(&made.key_id)).await);
    let gone = c.get_key(GetKeyRequest::new(&made.key_id)).await;
    t.error("a revoked key", gone, ErrorCode::NotFound);
    let bad = c.create_key(CreateKeyRequest::new(api).set_remaining(0)).await;
    t.error("a bad request", bad, ErrorCode::BadRequest);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let var = |name: &str| env::var(name).expect(name);
    let (url, api) = (var("BASE_URL") + "/v1", var("API_ID"));
    let t = Tally::default();
    let mut c = Client::with_url("unknown", "http://127.0.0.1:9");
    c.set_url(&url);
    let refused = c.get_api(GetApiRequest::new(&api)).await;
    t.error("an unknown root key", refused, ErrorCode::Unauthorized);
    c.set_key(&var("ROOT_KEY"));

    let found = t.ok("get_api", c.get_api(GetApiRequest::new(&api)).await);
    t.same("the API", (found.api_id, found.name), (api.clone(), "payments".into()));
    keys(&t, &c, &api).await;
    t.ok("delete_api", c.delete_api(DeleteApiRequest::new(&api)).await);
    let gone = c.get_api(GetApiRequest::new(&api)).await;
    t.error("a deleted API", gone, ErrorCode::NotFound);

    fs::write(var("RESULTS"), t.methods.take()).expect("RESULTS");
    println!("{} passed, {} failed", t.passed.get(), t.failed.get());
    process::exit((t.failed.get() > 0) as i32);
}
