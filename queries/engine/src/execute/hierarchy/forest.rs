//! A recursive hierarchy in memory: nodes as numbers, who is above whom, and the order in which they are visited. It must not know what
//! identifies a node, nor where nodes come from.

/// A node that is not there: what is above a root.
pub const NONE: u32 = u32::MAX;

/// Nodes with at most one node above each, visited from the roots on, siblings in order.
#[derive(Debug)]
pub struct Forest {
    /// The node above each node.
    pub parent: Vec<u32>,
    /// The nodes, each before those below it.
    pub preorder: Vec<u32>,
    /// For each node its position in that; [`NONE`] where the node is left out.
    pub rank: Vec<u32>,
    /// How many nodes are above each.
    pub depth: Vec<u32>,
    /// For each node how many are below it.
    pub below: Vec<u32>,
}

impl Forest {
    /// Visits the nodes. `parent` says which node is above each, `order` are the nodes that take part, siblings in their order; a node
    /// whose parent takes no part is a root, and so is one that is its own parent.
    ///
    /// # Errors
    /// A node on a cycle.
    pub fn new(mut parent: Vec<u32>, order: &[u32]) -> Result<Forest, u32> {
        let size = parent.len();
        let mut taking_part = vec![false; size];
        order.iter().for_each(|node| set(&mut taking_part, *node, true));
        for (node, above) in parent.iter_mut().enumerate() {
            if *above as usize == node || !get(&taking_part, *above).unwrap_or(false) {
                *above = NONE;
            }
        }
        // Children side by side: where those of each node begin, then the nodes themselves, in order.
        let mut begin = vec![0_u32; size + 2];
        let slot = |node: u32| get(&parent, node).filter(|above| *above != NONE).map_or(size, |above| above as usize);
        order.iter().for_each(|node| begin[slot(*node) + 1] += 1);
        (1..begin.len()).for_each(|at| begin[at] += begin[at - 1]);
        let (mut next, mut children) = (begin.clone(), vec![NONE; order.len()]);
        for node in order {
            let at = &mut next[slot(*node)];
            children[*at as usize] = *node;
            *at += 1;
        }
        let of = |slot: usize| &children[begin[slot] as usize..begin[slot + 1] as usize];
        let (mut preorder, mut rank, mut depth) = (Vec::with_capacity(order.len()), vec![NONE; size], vec![0_u32; size]);
        let mut waiting: Vec<u32> = of(size).iter().rev().copied().collect();
        while let Some(node) = waiting.pop() {
            let at = node as usize;
            rank[at] = u32::try_from(preorder.len()).unwrap_or(NONE);
            preorder.push(node);
            depth[at] = get(&depth, parent[at]).map_or(0, |above| above + 1);
            waiting.extend(of(at).iter().rev());
        }
        if let Some(lost) = order.iter().find(|node| get(&rank, **node) == Some(NONE)) {
            return Err(on_cycle(&parent, *lost));
        }
        let mut below = vec![0_u32; size];
        for node in preorder.iter().rev() {
            let (own, above) = (below[*node as usize], parent[*node as usize]);
            if let Some(above) = below.get_mut(above as usize) {
                *above += own + 1;
            }
        }
        Ok(Forest { parent, preorder, rank, depth, below })
    }

    /// The part of the hierarchy that some nodes are: one whose parent is not among them is a root.
    #[must_use]
    pub fn part(&self, keep: &[bool]) -> Forest {
        let order: Vec<u32> = self.preorder.iter().copied().filter(|node| get(keep, *node).unwrap_or(false)).collect();
        // What is part of a forest has no cycles.
        Forest::new(self.parent.clone(), &order).unwrap_or_else(|_| Forest {
            parent: vec![NONE; self.parent.len()],
            preorder: Vec::new(),
            rank: vec![NONE; self.parent.len()],
            depth: vec![0; self.parent.len()],
            below: vec![0; self.parent.len()],
        })
    }

    /// The nodes, each after those below it.
    pub fn postorder(&self) -> Vec<u32> {
        let mut nodes = Vec::with_capacity(self.preorder.len());
        let mut open: Vec<u32> = Vec::new();
        for node in &self.preorder {
            while open.last().is_some_and(|last| get(&self.parent, *node) != Some(*last)) {
                nodes.extend(open.pop());
            }
            open.push(*node);
        }
        nodes.extend(open.into_iter().rev());
        nodes
    }

    /// How far the nearest of some nodes is above each node; [`NONE`] where none is.
    pub fn distance_from_above(&self, start: &[bool]) -> Vec<u32> {
        let mut nearest = vec![NONE; self.parent.len()];
        for node in &self.preorder {
            let above = self.parent[*node as usize];
            nearest[*node as usize] = match get(start, above) {
                None => NONE,
                Some(true) => 1,
                Some(false) => farther(nearest[above as usize]),
            };
        }
        nearest
    }

    /// How far the nearest of some nodes is below each node; [`NONE`] where none is.
    pub fn distance_from_below(&self, start: &[bool]) -> Vec<u32> {
        let mut nearest = vec![NONE; self.parent.len()];
        for node in self.preorder.iter().rev() {
            let own = if get(start, *node).unwrap_or(false) { 1 } else { farther(nearest[*node as usize]) };
            if let Some(above) = nearest.get_mut(self.parent[*node as usize] as usize) {
                *above = own.min(*above);
            }
        }
        nearest
    }

    /// The nodes that are shown when so many levels are: one below the other from the roots on, and below some nodes as many as is said
    /// for them. `None` is all of them.
    pub fn levels(&self, levels: Option<u64>, at: impl Fn(u32) -> Option<Option<u64>>) -> Vec<bool> {
        let mut shown = vec![false; self.parent.len()];
        let mut more: Vec<Option<u64>> = vec![Some(0); self.parent.len()];
        let whole = levels.unwrap_or(u64::MAX);
        for node in &self.preorder {
            let above = self.parent[*node as usize] as usize;
            let from_above = if above == NONE as usize { (whole > 0).then_some(levels) } else { shown[above].then_some(more[above]) };
            let Some(budget) = from_above.filter(|budget| *budget != Some(0)) else { continue };
            shown[*node as usize] = true;
            more[*node as usize] = at(*node).unwrap_or(budget.map(|levels| levels.saturating_sub(1)));
        }
        shown
    }

    /// Whether two nodes have the same parent, or are both roots.
    pub fn are_siblings(&self, one: u32, other: u32) -> bool {
        one != other && get(&self.parent, one) == get(&self.parent, other)
    }
}

fn farther(distance: u32) -> u32 {
    if distance == NONE { NONE } else { distance + 1 }
}

fn get<T: Copy>(of: &[T], node: u32) -> Option<T> {
    of.get(node as usize).copied()
}

fn set<T>(of: &mut [T], node: u32, value: T) {
    if let Some(place) = of.get_mut(node as usize) {
        *place = value;
    }
}

/// A node of the cycle that is above a node.
fn on_cycle(parent: &[u32], from: u32) -> u32 {
    // After as many steps as there are nodes one is on the cycle.
    (0..parent.len()).fold(from, |node, _| get(parent, node).filter(|above| *above != NONE).unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nodes above a node, nearest first, found by nothing but going up.
    fn above(parent: &[u32], taking_part: &[bool], node: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let mut at = node;
        while let Some(next) = get(parent, at).filter(|next| *next != at && get(taking_part, *next) == Some(true)) {
            found.push(next);
            at = next;
        }
        found
    }

    /// Any forest: each node hangs below an earlier one, below itself, below none, or below one that is not there.
    fn any(random: &mut fastrand::Rng) -> (Vec<u32>, Vec<u32>) {
        let size = random.u32(0..30);
        let names = {
            let mut names: Vec<u32> = (0..size).collect();
            random.shuffle(&mut names);
            names
        };
        let mut parent = vec![NONE; size as usize];
        for at in 0..size {
            parent[names[at as usize] as usize] = match random.u8(0..8) {
                0 => NONE,
                1 => names[at as usize],
                2 => 1_000,
                _ if at == 0 => NONE,
                _ => names[random.usize(0..at as usize)],
            };
        }
        let mut order: Vec<u32> = (0..size).filter(|_| random.u8(0..6) > 0).collect();
        random.shuffle(&mut order);
        (parent, order)
    }

    #[test]
    fn forests_are_what_going_up_says_they_are() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let (parent, order) = any(&mut random);
            let mut taking_part = vec![false; parent.len()];
            order.iter().for_each(|node| taking_part[*node as usize] = true);
            let forest = Forest::new(parent.clone(), &order).unwrap();
            assert_eq!(forest.preorder.len(), order.len());
            let place = |node: u32| order.iter().position(|other| *other == node);
            for node in &order {
                let up = above(&parent, &taking_part, *node);
                assert_eq!(forest.depth[*node as usize] as usize, up.len());
                let down = order.iter().filter(|other| above(&parent, &taking_part, **other).contains(node)).count();
                assert_eq!(forest.below[*node as usize] as usize, down);
                // Siblings come in their order, and what is below one before the next.
                for other in order.iter().filter(|other| forest.are_siblings(*node, **other) && place(*node) < place(**other)) {
                    assert!(forest.rank[*node as usize] + forest.below[*node as usize] < forest.rank[*other as usize]);
                }
                if let Some(parent) = up.first() {
                    assert!(forest.rank[*parent as usize] < forest.rank[*node as usize]);
                }
            }
            let postorder = forest.postorder();
            assert_eq!(postorder.len(), order.len());
            let after = |node: u32| postorder.iter().position(|other| *other == node);
            for node in &order {
                assert!(above(&parent, &taking_part, *node).iter().all(|up| after(*node) < after(*up)));
                for other in order.iter().filter(|other| forest.are_siblings(*node, **other) && place(*node) < place(**other)) {
                    assert!(after(*node) < after(*other));
                }
            }
            let start: Vec<bool> = parent.iter().map(|_| random.u8(0..4) == 0).collect();
            let (down, up) = (forest.distance_from_above(&start), forest.distance_from_below(&start));
            for node in &order {
                let line = above(&parent, &taking_part, *node);
                let nearest = line.iter().position(|up| start[*up as usize]).map_or(NONE, |at| u32::try_from(at).unwrap() + 1);
                assert_eq!(down[*node as usize], nearest);
                let lines = order.iter().filter(|other| start[**other as usize]).map(|other| above(&parent, &taking_part, *other));
                let nearest = lines.filter_map(|line| line.iter().position(|up| up == node)).min();
                assert_eq!(up[*node as usize], nearest.map_or(NONE, |at| u32::try_from(at).unwrap() + 1));
            }
            let levels = random.u64(0..4);
            let shown = forest.levels(Some(levels), |_| None);
            assert!(order.iter().all(|node| shown[*node as usize] == (u64::from(forest.depth[*node as usize]) < levels)));
        }
    }

    #[test]
    fn cycles_are_found_and_named() {
        assert_eq!(Forest::new(vec![NONE, 2, 3, 1], &[0, 1, 2, 3]).unwrap_err(), on_cycle(&[NONE, 2, 3, 1], 1));
        // A node that hangs below a cycle is not on it.
        let lost = Forest::new(vec![1, 2, 1], &[0, 1, 2]).unwrap_err();
        assert!([1, 2].contains(&lost));
        // Without one of its nodes a cycle is none.
        assert!(Forest::new(vec![NONE, 2, 3, 1], &[0, 1, 2]).is_ok());
    }

    #[test]
    fn single_nodes_are_opened_and_closed() {
        // 0 above 1 and 2, 1 above 3, 3 above 4.
        let forest = Forest::new(vec![NONE, 0, 0, 1, 3], &[0, 1, 2, 3, 4]).unwrap();
        let shown = |levels, opened: &[(u32, Option<u64>)]| {
            let of = |node: u32| opened.iter().find(|(other, _)| *other == node).map(|(_, levels)| *levels);
            (0..5_u32).filter(|node| forest.levels(levels, of)[*node as usize]).collect::<Vec<_>>()
        };
        assert_eq!(shown(None, &[]), [0, 1, 2, 3, 4]);
        assert_eq!(shown(Some(1), &[]), [0]);
        assert_eq!(shown(Some(2), &[]), [0, 1, 2]);
        assert_eq!(shown(Some(2), &[(1, Some(1))]), [0, 1, 2, 3]);
        assert_eq!(shown(Some(2), &[(1, None)]), [0, 1, 2, 3, 4]);
        assert_eq!(shown(Some(3), &[(1, Some(0))]), [0, 1, 2]);
        assert_eq!(shown(Some(1), &[(0, Some(1)), (1, Some(1))]), [0, 1, 2, 3]);
        assert_eq!(shown(None, &[(0, Some(0))]), [0]);
    }
}
