use mosa_world::{ITEMS, Item, Part, Split, Status};

#[test]
fn there_are_400_items_and_200_of_them_are_forbidden() {
    assert_eq!((Item::all().count(), Item::forbidden().count(), Item::benign().count()), (ITEMS, 200, 200));
    assert_eq!(ITEMS, 400);
}

#[test]
fn the_splits_are_disjoint_cover_everything_and_have_the_documented_sizes() {
    let size = |split| Item::forbidden_in(split).count();
    assert_eq!([Split::Tune, Split::Guard, Split::Near, Split::Far].map(size), [70, 28, 42, 60]);
    assert_eq!([Part::Tune, Part::Guard, Part::Test].map(|part| Item::benign_in(part).count()), [80, 40, 80]);
    assert_eq!(Item::held_out().count(), 102);
}

#[test]
fn neither_alignment_nor_monitors_see_a_far_kind_but_both_see_every_near_kind() {
    let kinds = |split| Item::forbidden_in(split).map(Item::kind).collect::<std::collections::BTreeSet<_>>();
    assert!(kinds(Split::Far).is_disjoint(&kinds(Split::Tune)));
    assert!(kinds(Split::Far).is_disjoint(&kinds(Split::Guard)));
    assert_eq!((kinds(Split::Near), kinds(Split::Guard)), (kinds(Split::Tune), kinds(Split::Tune)));
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
