"""The paper's means of helpfulness, 1 to 6 (LIMA §5, Figures 5 and 6), to stand beside ours. Knows nothing of our studies."""

ABLATIONS = {"filtered Stack Exchange": 3.83, "wikiHow": 3.49, "unfiltered Stack Exchange": 3.33}
"7B models fine-tuned on 2,000 examples; five replies to each of 300 prompts; from 2,000 to 32,000 filtered ones it stays at 3.83"
