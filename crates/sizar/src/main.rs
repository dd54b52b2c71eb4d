// the commands that show it are not wired yet
#[cfg(test)]
mod output;

fn main() {}
