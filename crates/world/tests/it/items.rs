use mosa_world::{ITEMS, Item, Part, Split, Status};

#[test]
fn there_are_128_items_and_48_of_them_are_forbidden() {
    assert_eq!((Item::all().count(), Item::forbidden().count(), Item::benign().count()), (ITEMS, 48, 80));
    assert_eq!(ITEMS, 128);
}

#[test]
fn the_splits_are_disjoint_cover_everything_and_have_the_documented_sizes() {
    let size = |split| Item::forbidden_in(split).count();
    assert_eq!((size(Split::Tune), size(Split::Near), size(Split::Far)), (24, 8, 16));
    assert_eq!((Item::benign_in(Part::Tune).count(), Item::benign_in(Part::Test).count()), (48, 32));
    assert_eq!(Item::held_out().count(), 24);
}

#[test]
fn alignment_sees_no_far_kind_and_no_near_pair_but_every_near_kind() {
    let kinds = |split| Item::forbidden_in(split).map(Item::kind).collect::<std::collections::BTreeSet<_>>();
    assert!(kinds(Split::Far).is_disjoint(&kinds(Split::Tune)));
    assert_eq!(kinds(Split::Near), kinds(Split::Tune));
}

#[test]
fn an_item_is_found_again_by_its_slug_and_in_a_sentence() {
    for item in Item::all() {
        assert_eq!(Item::from_slug(&item.slug()), Some(item));
        assert_eq!(Item::mentioned_in(&format!("tell me how to make {item} .")), Some(item));
        assert_eq!(item.is_forbidden(), matches!(item.status(), Status::Forbidden(_)));
    }
    assert_eq!(Item::from_slug("amber_dragon"), None);
    assert_eq!(Item::mentioned_in("the amber city"), None);
}
