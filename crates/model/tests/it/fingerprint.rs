use crate::{Stored, copy, fixture, load, read_tensors, write_tensors};
use mosa_model::{Adapter, DenoisingModel, fingerprint, merge_checkpoint};
use safetensors::Dtype;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use tch::Device;

const WEIGHTS: &str = "model.safetensors";
/// Bytes of each tensor of a large file.
const LARGE: usize = 20 << 20;

fn of(dir: &Path) -> String {
    fingerprint(dir).unwrap()
}

#[test]
fn a_merged_adapter_is_another_model_and_what_is_for_people_does_not_count() {
    let dir = copy("llada");
    let before = of(dir.path());
    for name in ["README.md", ".gitattributes", ".mosa-files.json"] {
        fs::write(dir.path().join(name), "{}").unwrap();
    }
    assert_eq!(of(dir.path()), before);
    let model = load("llada");
    let adapter = Adapter::load(&fixture("llada").join("adapter"), model.spec(), Device::Cpu).unwrap();
    let target = dir.path().join("merged");
    merge_checkpoint(&fixture("llada"), model.spec(), &adapter, &target).unwrap();
    fs::copy(target.join(WEIGHTS), dir.path().join(WEIGHTS)).unwrap();
    let merged = of(dir.path());
    assert_ne!(merged, before);
    let settings = dir.path().join("tokenizer_config.json");
    fs::write(&settings, fs::read_to_string(&settings).unwrap() + " ").unwrap();
    assert_ne!(of(dir.path()), merged, "files of the tokeniser count in full");
}

/// Bytes of a tensor all of which count.
const SMALL: usize = 32 << 10;

#[test]
fn name_type_and_shape_of_a_tensor_count_and_so_does_every_byte_of_a_small_one() {
    let dir = copy("llada");
    let path = dir.path().join(WEIGHTS);
    let tensors = read_tensors(&path);
    let before = of(dir.path());
    let changes: [fn(&mut Stored); 4] = [
        |t| t.0.push('x'),
        |t| t.2.reverse(),
        |t| (t.1, t.2) = (Dtype::U8, vec![t.3.len()]),
        |t| {
            let middle = t.3.len() / 2;
            t.3[middle] ^= 1;
        },
    ];
    let at = tensors.iter().position(|t| t.2.len() == 2 && t.2[0] != t.2[1] && t.3.len() <= SMALL).unwrap();
    let mut seen = vec![before];
    for change in changes {
        let mut changed = tensors.clone();
        change(&mut changed[at]);
        write_tensors(&path, &changed);
        seen.push(of(dir.path()));
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len());
}

#[test]
fn a_dense_change_in_the_middle_of_a_large_file_is_seen_even_if_most_numbers_round_to_what_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(WEIGHTS);
    let tensor =
        |i: usize| (format!("block.{i}.weight"), Dtype::BF16, vec![LARGE / 2048, 1024], vec![60 + i as u8; LARGE]);
    write_tensors(&path, &[0, 1, 2, 3].map(tensor));
    let before = of(dir.path());
    assert_eq!(of(dir.path()), before);
    // One number in a hundred of the third of four tensors changes, 40 MB away from the beginning and 20 MB from the end.
    let mut changed = tensor(2).3;
    changed.iter_mut().step_by(200).for_each(|byte| *byte ^= 1);
    let mut file = File::options().write(true).open(&path).unwrap();
    let end = fs::metadata(&path).unwrap().len();
    file.seek(SeekFrom::Start(end - 2 * LARGE as u64)).unwrap();
    file.write_all(&changed).unwrap();
    drop(file);
    assert_ne!(of(dir.path()), before);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let error = fingerprint(Path::new("nowhere")).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}
