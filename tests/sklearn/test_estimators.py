"""The estimators keep scikit-learn's contract."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from jointset.sklearn import JointClassifier, JointRegressor

WEIGHTED = "mini-batches of repeated rows are not those of weighted ones, and both are drawn at random"
FAST = {
    "width": 16,
    "epochs": 30,
    "learning_rate": 0.02,
    "random_state": 0,
    "encoders": {"tabular": {"hidden": 16}},
}


def expected(estimator):
    return {"check_sample_weight_equivalence_on_dense_data": WEIGHTED}


@parametrize_with_checks(
    [JointClassifier(**FAST), JointRegressor(**FAST)], expected_failed_checks=expected
)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)
