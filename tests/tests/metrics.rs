//! What a room counts, in figures and as text that a monitoring system reads.

mod common;

use common::{Place, admin, tenant};
use pollster::block_on;
use strongroom::{Get, LeaseLimits, Put, SecretPath, SecretValue, TenantTotals, Totals};

#[test]
fn what_was_asked_is_counted_and_told_as_openmetrics() {
    let (_place, room) = Place::software();
    let acme = tenant(&room, "acme").secrets();
    tenant(&room, "globex");
    let before = room.metrics().totals();
    let path: SecretPath = "app/hunter2-path".parse().unwrap();
    for _ in 0..3 {
        block_on(acme.put(&path, SecretValue::text("swordfish").unwrap(), Put::default())).unwrap();
    }
    for _ in 0..5 {
        block_on(acme.get(&path, Get::current())).unwrap();
    }
    block_on(acme.get(&"none".parse().unwrap(), Get::current())).unwrap_err();
    let nobody = room.tenant(&"nobody".parse().unwrap()).acting_as(common::billing()).secrets();
    block_on(nobody.get(&path, Get::current())).unwrap_err();
    let lease = block_on(acme.lease(&path, LeaseLimits { reads: 2, ..LeaseLimits::default() })).unwrap();
    (0..3).for_each(|_| drop(lease.read()));

    let metrics = room.metrics();
    let Totals { allowed, refused, sealed, opened, rotations, lease_hits, lease_misses, .. } = metrics.totals();
    assert_eq!((allowed - before.allowed, refused - before.refused), (9, 2));
    assert_eq!((sealed, opened, rotations), (3, 6, 2));
    assert_eq!((lease_hits, lease_misses), (2, 1));
    assert!(metrics.totals().commits >= 9 && metrics.totals().key_cache_hits >= 9);
    assert_eq!(metrics.tenant(&"acme".parse().unwrap()), TenantTotals { allowed: 9, refused: 1 });
    assert_eq!(metrics.tenant(&"globex".parse().unwrap()), TenantTotals::default());

    let text = metrics.to_openmetrics().unwrap();
    for line in [
        "# TYPE secrets_retrieved counter",
        "secrets_retrieved_total 5",
        "# UNIT secret_access_duration_seconds seconds",
        "secret_access_duration_seconds_count 7",
        r#"strongroom_acts_total{act="secret.get",outcome="ok"} 5"#,
        r#"strongroom_acts_total{act="secret.get",outcome="Absent"} 2"#,
        r#"strongroom_tenant_operations_total{tenant="acme",outcome="refused"} 1"#,
        r#"strongroom_lease_reads_total{outcome="allowed"} 2"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for hidden in ["hunter2", "swordfish", "billing", "nobody"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert!(block_on(admin(&room).audit().verify(None)).unwrap().is_ok());
    room.close().unwrap();
}
