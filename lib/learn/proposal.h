#pragma once
#include <Eigen/Core>

#include "learn/training.h"

/// Several answers with their odds to a question that has more than one: a mixture density network (Bishop, Mixture
/// density networks, Aston University NCRG/94/004, 1994) with one normal distribution a class, trained by torch and run
/// without it.
namespace osteo::learn {

/// Questions as rows, with the class of the answer and its numbers.
struct ProposalTable {
  Eigen::MatrixXd inputs;
  std::vector<int> classes;
  Eigen::MatrixXd values;
};

struct ProposalTraining {
  TrainingOptions loop;
  int width = 96, layers = 2;
  std::int64_t judge_every = 250;
  int patience = 0;  ///< looks at the validation table without a better one that end the training; 0: none do
};

/// A network and its way there: rows of step, loss and validation (negative log-likelihood of both).
struct ProposalTrained {
  Network network;
  nlohmann::json curve = nlohmann::json::array();
};

/// Makes the examples of one step; the same ones for the same step.
using ProposalSource = std::function<ProposalTable(std::int64_t step)>;

/// Trains a network (architecture proposal-mdn) for so many classes; the tensors that do best on `validation` are kept.
/// Inputs and values are expected to be of the order of one. Throws as runTraining does.
ProposalTrained trainProposals(const ProposalSource& examples, const ProposalTable& validation, int classes,
                               const ProposalTraining& training);

/// Of each row of inputs: the odds of the classes, and mean and spread of each class' numbers, class after class.
struct Proposals {
  Eigen::MatrixXd odds, mean, spread;
};
Proposals propose(const Network& network, const Eigen::MatrixXd& inputs);

/// Mean negative log-likelihood of the answers, without the constant of the normal distribution.
double surprise(const Network& network, const ProposalTable& table);

/// Weights of the architecture proposal-mdn with so many inputs, classes and values, their tensors checked. Throws
/// NoInput, DataError.
Weights readProposals(const std::string& folder, int inputs, int classes, int values);

}  // namespace osteo::learn
