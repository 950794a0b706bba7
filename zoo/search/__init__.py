"""Search in vectors: near a picture, near a sentence, or near a picture with words removed and added.

In a folder of pictures, with a trained `vse_bow` or `vse_lstm` (`mizoo index build` and `mizoo search` do the same):

    build_index("runs/vse_bow/20261120-101112-000000", images="photos", to="photos.index")
    with PictureSearch.open("photos.index") as search:
        hits = search.by_edit("cat.jpg", remove=["dog"], add=["cat"])["direction"]

with `build_index` of `zoo.search.build` and `PictureSearch` of `zoo.search.searcher`. In vectors from anywhere:
`zoo.search.index.AnalogyIndex` over a store.
"""
