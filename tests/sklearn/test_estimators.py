"""The estimators keep scikit-learn's contract."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from jointset.sklearn import JointClassifier, JointRegressor

WEIGHTED = "mini-batches of repeated rows are not those of weighted ones, and both are drawn at random"
ROUNDED = "sums of single precision over a batch of another size may differ in their last digit, 1e-7 here"
FAST = {
    "width": 16,
    "epochs": 30,
    "learning_rate": 0.02,
    "random_state": 0,
    "encoders": {"tabular": {"hidden": 16}},
}


def expected(estimator):
    failed = {"check_sample_weight_equivalence_on_dense_data": WEIGHTED}
    if isinstance(estimator, JointRegressor):
        failed["check_methods_subset_invariance"] = ROUNDED
    return failed


@parametrize_with_checks([JointClassifier(**FAST), JointRegressor(**FAST)], expected_failed_checks=expected)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)
