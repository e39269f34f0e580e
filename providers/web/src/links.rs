//! Next pages: a guard against sources that lead in a circle or never come to an end. It must not know what a page holds.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use thiserror::Error;

/// Why the next page is not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Endless {
    /// The same link again.
    #[error("page {page} leads to a page that was read before: the answer would never end")]
    Circle {
        /// The page with the link, counted from 1.
        page: u64,
    },
    /// More pages than allowed.
    #[error("there are more than {most} pages")]
    TooMany {
        /// Pages that are allowed.
        most: u64,
    },
    /// Page after page without a row.
    #[error("{pages} pages in a row are empty, and there is always a next one: the answer would never end")]
    Empty {
        /// Pages without a row.
        pages: u64,
    },
}

/// What was read so far of an answer in pages.
#[derive(Debug)]
pub struct Pages {
    most: u64,
    most_empty: u64,
    read: u64,
    empty: u64,
    hasher: RandomState,
    /// Links are long, and there are many: two hashes of each are kept.
    seen: HashSet<(u64, u64)>,
}

impl Pages {
    /// At most `most` pages, and `most_empty` without a row one after the other.
    pub fn new(most: u64, most_empty: u64) -> Pages {
        Pages { most, most_empty, read: 0, empty: 0, hasher: RandomState::new(), seen: HashSet::new() }
    }

    /// A page with so many rows was read, and leads to `next`: a link, or whatever tells the next page from all others.
    ///
    /// # Errors
    /// When the next page must not be asked for.
    pub fn follow(&mut self, rows: u64, next: &str) -> Result<(), Endless> {
        self.read += 1;
        self.empty = if rows == 0 { self.empty + 1 } else { 0 };
        if !self.seen.insert((self.hasher.hash_one(next), self.hasher.hash_one((next, "again")))) {
            return Err(Endless::Circle { page: self.read });
        }
        if self.empty >= self.most_empty {
            return Err(Endless::Empty { pages: self.empty });
        }
        if self.read >= self.most {
            return Err(Endless::TooMany { most: self.most });
        }
        Ok(())
    }

    /// Pages read so far, the last one left out if it led nowhere.
    pub fn read(&self) -> u64 {
        self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_and_endless_chains_are_found() {
        let mut pages = Pages::new(100, 10);
        assert_eq!(pages.follow(5, "?page=2"), Ok(()));
        assert_eq!(pages.follow(5, "?page=3"), Ok(()));
        assert_eq!(pages.follow(5, "?page=2"), Err(Endless::Circle { page: 3 }));

        let mut pages = Pages::new(100, 10);
        let end = (1..).find_map(|page| pages.follow(1, &page.to_string()).err());
        assert_eq!((end, pages.read()), (Some(Endless::TooMany { most: 100 }), 100));

        let mut pages = Pages::new(100, 10);
        let end = (1..).find_map(|page| pages.follow(u64::from(page == 5), &page.to_string()).err());
        assert_eq!((end, pages.read()), (Some(Endless::Empty { pages: 10 }), 15));
    }
}
