#pragma once
#include <Eigen/Core>

#include "learn/training.h"

/// Numbers from a few numbers, with how far off they may be: an ensemble of small networks (Lakshminarayanan et al.,
/// NeurIPS 2017), trained by torch and run without it.
namespace osteo::learn {

/// Examples as rows.
struct PropertyTable {
  Eigen::MatrixXd inputs, targets;
};

struct PropertyTraining {
  TrainingOptions loop;
  int members = 5, width = 64, layers = 3;
  std::int64_t judge_every = 200;
};

/// An ensemble and its way there: rows of step, loss and validation (mean squared error of both).
struct PropertyTrained {
  Network network;
  nlohmann::json curve = nlohmann::json::array();
};

/// Trains an ensemble (architecture property-mlp) on batches of `known`; the tensors that do best on `validation` are
/// kept. Inputs and targets are expected to be of the order of one. Throws as runTraining does.
PropertyTrained trainProperties(const PropertyTable& known, const PropertyTable& validation,
                                const PropertyTraining& training);

/// What the ensemble says of each row of inputs: mean, and standard deviation (that of the members' means and their own
/// doubts together).
struct PropertyPrediction {
  Eigen::MatrixXd mean, spread;
};
PropertyPrediction predictProperties(const Network& network, const Eigen::MatrixXd& inputs);

/// Weights of the architecture property-mlp with so many inputs and outputs, their tensors checked. Throws NoInput,
/// DataError.
Weights readProperties(const std::string& folder, int inputs, int outputs);

}  // namespace osteo::learn
