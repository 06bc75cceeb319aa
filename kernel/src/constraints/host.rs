//! Hosts of URLs. Where readers of URLs differ from each other, there is no host.

const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;
const MAX_PORT: u32 = 65_535;

/// A host, or with `*.` all hosts below it.
pub(super) struct Host {
    below: bool,
    name: String,
}

impl Host {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let name = normal(rest)?;
        (!below || !ends_in_number(&name)).then_some(Self { below, name })
    }

    pub(super) fn is(&self, host: &str) -> bool {
        if self.below {
            let above = host.strip_suffix(self.name.as_str());
            above.is_some_and(|above| above.ends_with('.'))
        } else {
            host == self.name
        }
    }
}

/// The host of an absolute URL in lower case; `None` if it has user info or any part is doubtful.
pub(super) fn of_url(url: &str) -> Option<String> {
    // Some readers take a backslash for a slash, drop white space, or fold what is not ASCII.
    if !url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    port.is_none_or(is_port).then(|| normal(host))?
}

fn is_port(text: &str) -> bool {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u32>().is_ok_and(|port| port <= MAX_PORT)
}

/// A host name or IPv4 address in lower case, without the dot that may end it.
fn normal(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let labels = name.split('.').all(is_label);
    let sound = labels && name.len() <= MAX_HOST && (!ends_in_number(&name) || is_address(&name));
    sound.then_some(name)
}

fn is_label(label: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(known)
}

/// Whether readers of URLs may take a host for an IPv4 address, in decimal, octal or hexadecimal.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x");
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a name is an IPv4 address in its one canonical form.
fn is_address(name: &str) -> bool {
    let canonical = |part: &str| {
        let number = part.parse::<u8>();
        number.is_ok_and(|number| number.to_string() == part)
    };
    name.split('.').count() == 4 && name.split('.').all(canonical)
}
