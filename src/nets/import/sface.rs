//! The OpenCV Zoo's file of SFace's network.
//!
//! Its batch normalisations (Ioffe, Szegedy 2015) are folded into the layers that they follow, the one before the last
//! layer into that, in f64 and in one order: the result's SHA-256 must be the same on every processor, which the folding
//! of `layers`, for networks that learn, need not see to.

use std::vec::IntoIter;

use super::onnx_format::{Layer, Weights, read_layers};
use super::{ImportError, Named};
use crate::nets::MobileNet;

/// The scale of the picture, which whoever shows one sees to, and what changes nothing.
const WITHOUT_WEIGHTS: [&str; 4] = ["Sub", "Mul", "Dropout", "Flatten"];

/// The layers under the names of [`MobileNet`]. That strides, groups and transposes are what they are there is told by the
/// file's SHA-256 alone.
pub(super) fn convert(onnx: &[u8]) -> Result<Vec<Named>, ImportError> {
    let layers = read_layers(onnx)?.into_iter();
    let layers: Vec<Layer> =
        layers.filter(|layer| !WITHOUT_WEIGHTS.contains(&layer.operator.as_str())).collect();
    let mut layers = Layers(layers.into_iter());
    let mut tensors = Vec::new();
    for name in MobileNet::convolution_names() {
        let [weight] = layers.next("Conv", &name)?;
        let (scale, shift) = layers.batch_norm(&name)?;
        let [slope] = layers.next("PRelu", &name)?;
        let weight = scaled(&weight, &scale).ok_or_else(|| of_other_sides(&name))?;
        tensors.push(named(format!("{name}.conv.weight"), weight.shape, weight.values));
        tensors.push(vector(format!("{name}.conv.bias"), shift));
        tensors.push(vector(format!("{name}.prelu.weight"), slope.values));
    }
    tensors.extend(embedding(&mut layers)?);
    match layers.0.next() {
        None => Ok(tensors),
        Some(_) => Err(ImportError::OtherNetwork("it goes on behind its last layer".into())),
    }
}

/// The last layer between two batch normalisations, as a convolution over the whole map.
fn embedding(layers: &mut Layers) -> Result<[Named; 2], ImportError> {
    const NAME: &str = "embedding";
    let (scale_before, shift_before) = layers.batch_norm(NAME)?;
    let [weight, bias] = layers.next("Gemm", NAME)?;
    let (scale, shift) = layers.batch_norm(NAME)?;
    let channels = scale_before.len();
    let side = MobileNet::SIDE_LEFT as usize;
    let (outputs, inputs) = (bias.values.len(), channels * side * side);
    if inputs == 0 || weight.shape != [outputs, inputs] || scale.len() != outputs {
        return Err(of_other_sides(NAME));
    }
    let channel = |input: usize| input / (side * side);
    let mut weights = Vec::with_capacity(outputs * inputs);
    let mut biases = Vec::with_capacity(outputs);
    for (output, row) in weight.values.chunks_exact(inputs).enumerate() {
        let before =
            row.iter().enumerate().map(|(input, &w)| f64::from(w) * shift_before[channel(input)]);
        let sum = f64::from(bias.values[output]) + before.sum::<f64>();
        biases.push(sum * scale[output] + shift[output]);
        let row = row.iter().enumerate();
        weights.extend(row.map(|(input, &w)| {
            (f64::from(w) * scale_before[channel(input)] * scale[output]) as f32
        }));
    }
    Ok([
        named(format!("{NAME}.weight"), vec![outputs, channels, side, side], weights),
        vector(format!("{NAME}.bias"), biases),
    ])
}

struct Layers(IntoIter<Layer>);

impl Layers {
    /// The weights of the next layer, which is to be of this operator and to have so many.
    fn next<const N: usize>(
        &mut self,
        operator: &str,
        at: &str,
    ) -> Result<[Weights; N], ImportError> {
        self.layer(operator, at)?.weights.try_into().map_err(|_| of_other_sides(at))
    }

    fn layer(&mut self, operator: &str, at: &str) -> Result<Layer, ImportError> {
        match self.0.next() {
            Some(layer) if layer.operator == operator => Ok(layer),
            Some(layer) => Err(ImportError::OtherNetwork(format!(
                "`{at}` has {} where {operator} is expected",
                layer.operator
            ))),
            None => Err(ImportError::OtherNetwork(format!("it ends before `{at}`"))),
        }
    }

    /// What a batch normalisation multiplies each channel by, and what it adds.
    fn batch_norm(&mut self, at: &str) -> Result<(Vec<f64>, Vec<f64>), ImportError> {
        let layer = self.layer("BatchNormalization", at)?;
        let epsilon = f64::from(layer.epsilon.unwrap_or(1e-5));
        let Ok::<[Weights; 4], _>([gamma, beta, mean, variance]) = layer.weights.try_into() else {
            return Err(of_other_sides(at));
        };
        let channels = gamma.values.len();
        if [&beta, &mean, &variance].iter().any(|other| other.values.len() != channels) {
            return Err(of_other_sides(at));
        }
        let numbers = |weights: Weights| weights.values.into_iter().map(f64::from);
        let scale: Vec<f64> =
            numbers(gamma).zip(numbers(variance)).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let shift =
            numbers(beta).zip(numbers(mean)).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok((scale, shift))
    }
}

/// Weights with each output multiplied by a number of its own, unless these are more or fewer.
fn scaled(weight: &Weights, scale: &[f64]) -> Option<Weights> {
    let each = weight.values.len().checked_div(scale.len())?;
    if weight.shape.first() != Some(&scale.len()) || each == 0 {
        return None;
    }
    let outputs = weight.values.chunks_exact(each).zip(scale);
    let values =
        outputs.flat_map(|(of_one, s)| of_one.iter().map(move |&w| (f64::from(w) * s) as f32));
    Some(Weights { shape: weight.shape.clone(), values: values.collect() })
}

fn vector<T: Into<f64>>(name: String, values: Vec<T>) -> Named {
    let values: Vec<f32> = values.into_iter().map(|value| value.into() as f32).collect();
    named(name, vec![values.len()], values)
}

fn named(name: String, shape: Vec<usize>, values: Vec<f32>) -> Named {
    (name, shape, values.into_iter().flat_map(f32::to_le_bytes).collect())
}

fn of_other_sides(name: &str) -> ImportError {
    ImportError::OtherNetwork(format!("`{name}` has weights of other sides"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(operator: &str, weights: &[&[f32]]) -> Layer {
        let of_one =
            |values: &&[f32]| Weights { shape: vec![values.len()], values: values.to_vec() };
        let weights = weights.iter().map(of_one).collect();
        Layer { operator: operator.to_owned(), weights, epsilon: Some(0.0) }
    }

    #[test]
    fn a_batch_normalisation_becomes_a_scale_and_a_shift() {
        // gamma, beta, mean, variance: 3 (x - 5) / 2 + 1
        let mut layers = Layers(
            vec![layer("BatchNormalization", &[&[3.0], &[1.0], &[5.0], &[4.0]])].into_iter(),
        );
        assert_eq!(layers.batch_norm("stem").unwrap(), (vec![1.5], vec![-6.5]));
    }

    #[test]
    fn another_network_is_refused_with_the_place_where_it_differs() {
        let said = |layers: Vec<Layer>| {
            Layers(layers.into_iter()).next::<1>("Conv", "stem").unwrap_err().to_string()
        };
        assert!(said(vec![]).contains("it ends before `stem`"));
        assert!(said(vec![layer("Relu", &[])]).contains("`stem` has Relu where Conv is expected"));
        assert!(said(vec![layer("Conv", &[])]).contains("`stem` has weights of other sides"));
        let norm = layer("BatchNormalization", &[&[3.0], &[1.0, 2.0], &[5.0], &[4.0]]);
        let error = Layers(vec![norm].into_iter()).batch_norm("stem").unwrap_err();
        assert!(error.to_string().contains("`stem` has weights of other sides"), "{error}");
    }

    #[test]
    fn scales_are_one_for_each_output_or_refused() {
        let weight = Weights { shape: vec![2, 2], values: vec![1.0, 2.0, 3.0, 4.0] };
        assert_eq!(scaled(&weight, &[2.0, 0.5]).unwrap().values, [2.0, 4.0, 1.5, 2.0]);
        for wrong in [&[][..], &[1.0], &[1.0; 3]] {
            assert!(scaled(&weight, wrong).is_none());
        }
        assert!(scaled(&Weights { shape: vec![2], values: vec![] }, &[1.0, 1.0]).is_none());
    }
}
