from depthlib.data.encodings import Guess


def test_a_guess_says_in_words_what_it_took_and_makes_its_spec():
    guess = Guess({"metres_per_count": 0.001}, "likely", ("Millimetres are usual.",))
    assert str(guess) == "Encoding, likely: metres_per_count=0.001. Millimetres are usual."
    spec = guess.make_spec("kitchen", max_depth=6.0)
    assert (spec.name, spec.scale, spec.max_depth) == ("kitchen", 0.001, 6.0)
