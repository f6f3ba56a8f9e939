use crate::{canvas, distance, fixture, load, open};
use mosa_model::{Adapter, Call, Checkpoint, DenoisingModel, Slot, merge_checkpoint};
use tch::Device;

#[test]
fn a_merged_checkpoint_scores_as_the_adapter_on_the_fly() {
    for name in ["llada", "dream"] {
        let model = load(name);
        let adapter = Adapter::load(&fixture(name).join("adapter"), model.spec(), Device::Cpu).unwrap();
        let out = tempfile::tempdir().unwrap();
        let target = out.path().join("merged");
        merge_checkpoint(&fixture(name), model.spec(), &adapter, &target).unwrap();
        let merged = open(&target).unwrap();
        let row = canvas(&model, 9, 9);
        let want: Vec<Slot> = (0..row.len()).map(|p| (0, p)).collect();
        let fly = tch::no_grad(|| model.forward(Call::new(&[&row], &want).with_adapter(Some(&adapter)))).unwrap();
        let baked = tch::no_grad(|| merged.forward(Call::new(&[&row], &want))).unwrap();
        assert!(distance(&fly, &baked) < 2e-4, "{name}");
        // Same files, same tensors, and everything else copied.
        let (before, after) = (Checkpoint::open(&fixture(name)).unwrap(), Checkpoint::open(&target).unwrap());
        assert_eq!(before.shards().len(), after.shards().len());
        assert!(
            before
                .tensors()
                .iter()
                .all(|(n, t)| after.tensors()[n].shape == t.shape && after.tensors()[n].dtype == t.dtype)
        );
        assert!(target.join("tokenizer.json").exists() && target.join("config.json").exists());
        assert!(!out.path().join("merged.partial").exists());
    }
}

#[test]
fn merging_never_overwrites_a_folder() {
    let model = load("llada");
    let adapter = Adapter::load(&fixture("llada").join("adapter"), model.spec(), Device::Cpu).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = merge_checkpoint(&fixture("llada"), model.spec(), &adapter, out.path()).unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
}
