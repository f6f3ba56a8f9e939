//! x
use mosa_sandbox::*;
#[test]
fn x() {
    for b in Backend::ALL {
        let t = std::time::Instant::now();
        let s = Sandbox::open(Some(b), Limits::default());
        println!("{b} open {:?}", t.elapsed());
        let s = match s {
            Ok(s) => s,
            Err(e) => {
                println!("ERR {e}");
                continue;
            }
        };
        println!("{:#?}", s.describe());
        for e in s.self_test().unwrap() {
            println!("{} {e}", e.contained)
        }
        let t = std::time::Instant::now();
        for _ in 0..20 {
            let r = s
                .observe(&Program {
                    source: "import typing,math,hashlib\ndef f(x): return x".into(),
                    check: "assert f(1)==1".into(),
                })
                .unwrap();
            assert_eq!(r.outcome, Outcome::Passed, "{}", String::from_utf8_lossy(&r.stderr));
        }
        println!("20 runs {:?}", t.elapsed());
    }
}
