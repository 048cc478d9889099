//! Reads the weights out of an ONNX file: the few fields of `onnx.proto` that say them.

use std::collections::HashMap;

use prost::Message;

/// The file is not what an exporter writes for a network with weights of its own.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It is not ONNX.
    #[error("not an ONNX file: {0}")]
    NotOnnx(#[from] prost::DecodeError),
    /// It holds no graph.
    #[error("the ONNX file holds no graph")]
    NoGraph,
    /// A tensor is of another kind, or has fewer or more numbers than its shape says.
    #[error("the ONNX file's tensor `{0}` is not f32 numbers of its shape")]
    Tensor(String),
}

/// What a graph computes with at one place, and the weights that it does so with.
#[derive(Debug)]
pub(super) struct Layer {
    /// The operator: `Conv`, `PRelu`, ...
    pub operator: String,
    /// Its weights, in the operator's order.
    pub weights: Vec<Weights>,
    /// The attribute `epsilon`.
    pub epsilon: Option<f32>,
}

/// A tensor of f32.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// The graph's places in the order in which it computes.
pub(super) fn read_layers(bytes: &[u8]) -> Result<Vec<Layer>, FormatError> {
    let graph = Model::decode(bytes)?.graph.ok_or(FormatError::NoGraph)?;
    let tensors = graph.initializer.into_iter();
    let tensors: HashMap<_, _> = tensors.map(|tensor| (tensor.name.clone(), tensor)).collect();
    let layers = graph.node.into_iter().map(|node| {
        let epsilon = node.attribute.iter().find(|attribute| attribute.name == "epsilon");
        let epsilon = epsilon.map(|attribute| attribute.f);
        let weights = node.input.iter().filter_map(|name| tensors.get(name));
        let weights = weights.map(Weights::of).collect::<Result<_, _>>()?;
        Ok(Layer { operator: node.op_type, weights, epsilon })
    });
    layers.collect()
}

impl Weights {
    fn of(tensor: &Tensor) -> Result<Self, FormatError> {
        let wrong = || FormatError::Tensor(tensor.name.clone());
        let shape: Vec<usize> =
            tensor.dims.iter().filter_map(|&side| side.try_into().ok()).collect();
        let (raw, rest) = tensor.raw_data.as_chunks();
        let values: Vec<f32> = if tensor.raw_data.is_empty() {
            tensor.float_data.clone()
        } else {
            raw.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
        };
        let count = shape.iter().try_fold(1_usize, |count, &side| count.checked_mul(side));
        if tensor.data_type != Tensor::F32
            || !rest.is_empty()
            || shape.len() != tensor.dims.len()
            || count != Some(values.len())
        {
            return Err(wrong());
        }
        Ok(Self { shape, values })
    }
}

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, tag = "2")]
    f: f32,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

impl Tensor {
    /// `TensorProto.DataType.FLOAT`
    const F32: i32 = 1;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tensor(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
        Tensor {
            dims: dims.to_vec(),
            data_type: Tensor::F32,
            float_data: Vec::new(),
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    /// A graph of one batch normalisation with one tensor.
    fn file(tensor: Tensor) -> Vec<u8> {
        let epsilon = Attribute { name: "epsilon".to_owned(), f: 0.5 };
        let node = Node {
            input: vec!["what comes before".to_owned(), tensor.name.clone()],
            op_type: "BatchNormalization".to_owned(),
            attribute: vec![epsilon],
        };
        let graph = Graph { node: vec![node], initializer: vec![tensor] };
        Model { graph: Some(graph) }.encode_to_vec()
    }

    #[test]
    fn a_layer_has_its_operator_its_weights_and_its_epsilon() {
        let unpacked = Tensor {
            float_data: vec![1.0, -2.0],
            raw_data: Vec::new(),
            ..tensor("gamma", &[2, 1], &[])
        };
        for tensor in [tensor("gamma", &[2, 1], &[1.0, -2.0]), unpacked] {
            let layers = read_layers(&file(tensor)).unwrap();
            assert_eq!(layers.len(), 1);
            assert_eq!(layers[0].operator, "BatchNormalization");
            assert_eq!(layers[0].epsilon, Some(0.5));
            assert_eq!(layers[0].weights.len(), 1);
            assert_eq!(layers[0].weights[0].shape, [2, 1]);
            assert_eq!(layers[0].weights[0].values, [1.0, -2.0]);
        }
    }

    #[test]
    fn a_tensor_that_is_not_what_it_says_is_refused_by_its_name() {
        let of_doubles = Tensor { data_type: 11, ..tensor("gamma", &[2], &[1.0, 2.0]) };
        let short = tensor("gamma", &[3], &[1.0, 2.0]);
        let negative = tensor("gamma", &[-2], &[1.0, 2.0]);
        let endless = tensor("gamma", &[i64::MAX, i64::MAX], &[1.0, 2.0]);
        let mut ragged = tensor("gamma", &[2], &[1.0, 2.0]);
        ragged.raw_data.push(0);
        for tensor in [of_doubles, short, negative, endless, ragged] {
            let error = read_layers(&file(tensor)).unwrap_err();
            assert!(error.to_string().contains("`gamma`"), "{error}");
        }
    }

    #[test]
    fn a_file_without_a_graph_is_refused() {
        assert!(matches!(read_layers(b""), Err(FormatError::NoGraph)));
        assert!(matches!(read_layers(b"<html>not found</html>"), Err(FormatError::NotOnnx(_))));
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_onnx_file_are_no_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..512),
            cut in any::<prop::sample::Index>(),
        ) {
            let _ = read_layers(&bytes);
            let whole = file(tensor("gamma", &[2], &[1.0, 2.0]));
            let _ = read_layers(&whole[..cut.index(whole.len())]);
        }
    }
}
