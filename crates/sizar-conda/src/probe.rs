//! Which channels answer, asked briefly.

use std::time::Duration;

use tokio::task::JoinSet;
use url::Url;

use crate::Conda;
use crate::channel::Address;

/// The longest that a channel may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);
/// What every channel has.
const LIST: &str = "noarch/repodata.json";

/// What a channel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub channel: Address,
    /// Why it is of no use; absent where it answers.
    pub silence: Option<String>,
}

impl Conda {
    /// Asks channels, all at once, whether they are there.
    ///
    /// Offline, a server counts as one that answers if package lists are cached.
    pub fn answers(&self, channels: &[Address]) -> Vec<Answer> {
        let cached = self.cache.join("repodata").is_dir();
        let client = self.client.client().clone();
        let offline = self.offline;
        self.runtime.block_on(async {
            let mut questions = JoinSet::new();
            for (position, channel) in channels.iter().cloned().enumerate() {
                let client = client.clone();
                questions.spawn(async move {
                    let list = channel.asked.join(LIST);
                    let silence = match list {
                        Ok(list) if list.scheme() == "file" => no_folder(&list),
                        Ok(_) if offline => {
                            (!cached).then(|| "it is not asked, and nothing is cached".to_owned())
                        }
                        Ok(list) => no_server(&client, list).await,
                        Err(error) => Some(error.to_string()),
                    };
                    (position, Answer { channel, silence })
                });
            }
            let mut answers = questions.join_all().await;
            answers.sort_by_key(|(position, _)| *position);
            answers.into_iter().map(|(_, answer)| answer).collect()
        })
    }
}

fn no_folder(list: &Url) -> Option<String> {
    let path = list.to_file_path().ok()?;
    let channel = path.parent()?.parent()?;
    // a channel of one platform may lack the other folder
    let known = |folder: &str| channel.join(folder).join("repodata.json").is_file();
    if known("noarch") || known("linux-64") || known("linux-aarch64") {
        return None;
    }
    Some(format!("`{}` has no package list", channel.display()))
}

async fn no_server(client: &reqwest_middleware::ClientWithMiddleware, list: Url) -> Option<String> {
    let asked = tokio::time::timeout(PATIENCE, client.head(list).send()).await;
    match asked {
        Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Some(innermost(&error)),
        Ok(Ok(answer)) if answer.status().is_success() => None,
        Ok(Ok(answer)) => Some(format!("it answers {}", answer.status())),
    }
}

/// Returns the last cause, which says what happened: the others say what was attempted.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
