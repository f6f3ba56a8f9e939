//! The playground: one page, put together from `assets/playground`, and the policy that lets nothing run but its own style
//! and script.

use axum::http::header;
use axum::response::IntoResponse;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const BODY: &str = include_str!("../assets/playground/page.html");
const STYLE: &str = include_str!("../assets/playground/style.css");
/// The script in its parts, in the order they are read.
const SCRIPT: [&str; 10] = [
    include_str!("../assets/playground/dom.js"),
    include_str!("../assets/playground/server.js"),
    include_str!("../assets/playground/answer.js"),
    include_str!("../assets/playground/record.js"),
    include_str!("../assets/playground/canvas.js"),
    include_str!("../assets/playground/settings.js"),
    include_str!("../assets/playground/forcing.js"),
    include_str!("../assets/playground/facts.js"),
    include_str!("../assets/playground/pane.js"),
    include_str!("../assets/playground/main.js"),
];

/// The page as it is sent.
struct Page {
    html: String,
    policy: String,
}

static PAGE: LazyLock<Page> = LazyLock::new(Page::new);

impl Page {
    fn new() -> Self {
        // Browsers hash text with line feeds, whatever the files have.
        let (style, script) = (STYLE.replace("\r\n", "\n"), SCRIPT.concat().replace("\r\n", "\n"));
        let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(&script),
            hash(&style)
        );
        Self { html: BODY.replacen("{{style}}", &style, 1).replacen("{{script}}", &script, 1), policy }
    }
}

/// `GET /`.
pub(crate) async fn playground() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, PAGE.policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, PAGE.html.as_str())
}

#[cfg(test)]
mod tests {
    use super::{PAGE, SCRIPT, STYLE};

    #[test]
    fn the_page_holds_its_style_and_script_and_names_no_other_place() {
        assert!(PAGE.html.contains(&format!("<style>{STYLE}</style>")));
        assert!(PAGE.html.contains(&format!("<script type=\"module\">{}</script>", SCRIPT.concat())));
        for away in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!PAGE.html.contains(away), "{away}");
        }
    }

    #[test]
    fn what_a_model_says_is_never_read_as_markup() {
        for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "{{"] {
            assert!(!PAGE.html.contains(markup), "{markup}");
        }
        assert!(PAGE.policy.starts_with("default-src 'none'; script-src 'sha256-"));
        assert!(!PAGE.policy.contains("unsafe"));
    }
}
