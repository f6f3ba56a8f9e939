use mosa_core::{Message, Role};
use proptest::prelude::*;

#[test]
fn a_message_is_read_and_written_as_role_and_content() {
    let text = r#"{"role":"assistant","content":"yes"}"#;
    let message = Message::new(Role::Assistant, "yes");
    assert_eq!(serde_json::to_string(&message).unwrap(), text);
    assert_eq!(serde_json::from_str::<Message>(text).unwrap(), message);
    let error = serde_json::from_str::<Message>(r#"{"role":"user","content":"a","name":"b"}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `name`"), "{error}");
}

#[test]
fn the_common_roles_have_their_names() {
    for (name, role) in Role::COMMON.into_iter().zip([Role::System, Role::User, Role::Assistant]) {
        assert_eq!(Role::from(name), role);
        assert_eq!(role.as_str(), name);
    }
    assert_eq!(Role::from("User"), Role::Other("User".into()));
}

proptest! {
    #[test]
    fn any_name_of_a_role_comes_back_as_it_was(name in ".*") {
        let written = serde_json::to_string(&Role::from(name.as_str())).unwrap();
        prop_assert_eq!(&written, &serde_json::to_string(&name).unwrap());
        prop_assert_eq!(serde_json::from_str::<Role>(&written).unwrap().to_string(), name);
    }
}
