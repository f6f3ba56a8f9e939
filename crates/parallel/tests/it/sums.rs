use crate::ranks;
use mosa_parallel::{Addends, Alone, Exchange, Shards, Team};
use tch::{Device, Kind, Tensor};

/// What a shard adds: numbers whose sum depends on the order.
fn addend(shard: usize) -> Vec<Tensor> {
    let number = |i: usize| ((i * 7919 + shard * 104_729) % 1000) as f32 * 10f32.powi((i + shard) as i32 % 7 - 3);
    let flat: Vec<f32> = (0..30).map(number).collect();
    let t = Tensor::from_slice(&flat);
    vec![t.narrow(0, 0, 12).view([3, 4]), t.narrow(0, 12, 18).view([18])]
}

fn bits(tensors: &[Tensor]) -> Vec<u32> {
    let flat = tensors.iter().flat_map(|t| Vec::<f32>::try_from(t.flatten(0, -1)).unwrap());
    flat.map(f32::to_bits).collect()
}

/// The bits of the sum of all shards on this rank.
fn summed(exchange: &dyn Exchange, shards: usize) -> Vec<u32> {
    let like = [Tensor::zeros([3, 4], (Kind::Float, Device::Cpu)), Tensor::zeros([18], (Kind::Float, Device::Cpu))];
    let mut own = Addends::new(exchange);
    for shard in (Team { exchange, shards }).own() {
        own.push(addend(shard)).unwrap();
    }
    bits(&exchange.sum(&like.iter().collect::<Vec<_>>(), own).unwrap())
}

#[test]
fn a_sum_over_shards_has_the_same_bits_for_every_number_of_ranks() {
    for shards in [4, 5] {
        let alone = summed(&Alone, shards);
        for size in [2, 3, 4] {
            for bits in ranks(size, |gloo| summed(gloo, shards)) {
                assert_eq!(bits, alone, "{shards} shards on {size} ranks");
            }
        }
    }
}

#[test]
fn the_order_of_a_sum_matters_to_its_bits() {
    let forth = (1..4).fold(addend(0), |sum, shard| sum.iter().zip(addend(shard)).map(|(a, b)| a + b).collect());
    let back = (0..3).rev().fold(addend(3), |sum, shard| sum.iter().zip(addend(shard)).map(|(a, b)| a + b).collect());
    assert_eq!(bits(&forth), summed(&Alone, 4));
    assert_ne!(bits(&forth), bits(&back), "or the test above would show nothing");
}

#[test]
fn ranks_without_shards_take_part_in_a_sum() {
    let alone = summed(&Alone, 2);
    assert!(ranks(3, |gloo| summed(gloo, 2)).into_iter().all(|bits| bits == alone));
    assert!(ranks(2, |gloo| summed(gloo, 0)).into_iter().all(|bits| bits.iter().all(|b| *b == 0)), "no shard at all");
}

#[test]
fn bytes_and_tensors_reach_all_ranks() {
    let all = ranks(3, |gloo| {
        let rank = gloo.rank();
        let gathered = gloo.gather(&vec![rank as u8; rank]).unwrap();
        let told = gloo.broadcast(1, vec![7; rank]).unwrap();
        let tensors = [Tensor::from_slice(&[rank as f32; 5]), Tensor::from_slice(&[rank as i64; 2]).view([2, 1])];
        gloo.share(2, &tensors).unwrap();
        gloo.barrier().unwrap();
        let team = Team { exchange: gloo, shards: 3 };
        let any = (team.any(rank == 2).unwrap(), team.any(false).unwrap());
        (gathered, told, Vec::<f32>::try_from(&tensors[0]).unwrap(), tensors[1].int64_value(&[1, 0]), any)
    });
    let gathered = vec![vec![], vec![1], vec![2, 2]];
    assert!(all.iter().all(|found| *found == (gathered.clone(), vec![7], vec![2.0; 5], 2, (true, false))), "{all:?}");
}

#[test]
fn every_shard_has_one_rank_and_units_are_dealt_out_in_turn() {
    for (count, ranks) in [(4, 1), (4, 2), (4, 3), (7, 4), (1, 1)] {
        let shards = Shards { count, ranks };
        let all: Vec<usize> = (0..ranks).flat_map(|rank| shards.of(rank)).collect();
        assert_eq!(all, (0..count).collect::<Vec<_>>());
        let most = (0..ranks).map(|rank| shards.of(rank).len()).max().unwrap();
        assert!((0..ranks).all(|rank| shards.of(rank).len() + 1 >= most));
    }
    assert_eq!([0, 1, 4, 6].map(|unit| Shards { count: 4, ranks: 2 }.at(unit)), [0, 1, 0, 2]);
}

#[test]
fn more_ranks_than_shards_are_refused_with_the_fix() {
    let said = ranks(2, |gloo| Team { exchange: gloo, shards: 1 }.check().unwrap_err().to_string());
    assert!(said[0].contains("2 ranks share 1 shards") && said[0].contains("--set shards=2"), "{said:?}");
}
