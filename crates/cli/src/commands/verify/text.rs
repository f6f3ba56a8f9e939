//! Tokenisation, chat template, decoding, special ids.

use super::{Check, Folder};
use anyhow::Result;
use mosa_text::Specials;

pub(crate) fn checks(folder: &Folder) -> Result<Vec<Check>> {
    let (golden, text) = (&folder.golden, &folder.text);
    let mut checks = Vec::new();
    let special = &text.special;
    let known = [
        ("mask", Some(special.mask)),
        ("eos", Some(special.eos)),
        ("pad", Some(special.pad)),
        ("eot", special.eot),
        ("im_end", special.eot),
    ];
    for (name, found) in known {
        if let Some(&want) = golden.special_ids.get(name) {
            let differs = (found != Some(want)).then(|| format!("{found:?} instead of {want}"));
            checks.push(Check::exact(&format!("special_ids.{name}"), "id", differs));
        }
    }
    for (i, e) in golden.text.iter().enumerate() {
        let ids = text.tokenizer.encode(&e.text)?;
        let default = text.tokenizer.encode_default(&e.text)?;
        let differs = (ids != e.ids || default != e.ids_default).then(|| format!("{:?} becomes {ids:?}", e.text));
        checks.push(Check::exact(&format!("text.{i}"), "ids", differs));
    }
    for e in &golden.chat {
        let entry = format!("chat.{}", e.name);
        let Some(template) = &text.chat else {
            checks.push(Check::exact(&entry, "text and ids", Some("no chat template".into())));
            continue;
        };
        let told = template.clone().with_arguments(e.template_args.clone().unwrap_or_default())?;
        let rendered = told.render(&e.messages, e.add_generation_prompt)?;
        let same = rendered == e.text && text.tokenizer.encode(&rendered)? == e.ids;
        checks.push(Check::exact(&entry, "text and ids", (!same).then(|| format!("renders {rendered:?}"))));
    }
    for (i, e) in golden.decode.iter().enumerate() {
        let (kept, skipped) =
            (text.tokenizer.decode(&e.ids, Specials::Keep)?, text.tokenizer.decode(&e.ids, Specials::Skip)?);
        let same = kept == e.text && skipped == e.text_skip_special;
        checks.push(Check::exact(&format!("decode.{i}"), "text", (!same).then(|| format!("{kept:?}, {skipped:?}"))));
    }
    Ok(checks)
}
